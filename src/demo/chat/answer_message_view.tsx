import type { ComponentChildren } from 'preact';
import { Icon } from '../icons.tsx';
import { plural, rate } from '../quantities.ts';
import type { AnswerPhase } from './answers.ts';
import { useChat } from './chat_context.ts';
import type { AssistantMessage } from './conversation.ts';
import { CopyButton } from './copy_button.tsx';
import { FailureText } from '../failure_text.tsx';
import { ATTENTION_NAMES } from '../forms.ts';
import { MarkdownView } from './markdown_view.tsx';

const WAITING: Readonly<Record<AnswerPhase, string>> = {
  model: 'Waiting for the model',
  turn: 'Waiting for the other answer',
  prompt: 'Reading',
  writing: '',
};

interface AnswerMessageProps {
  readonly message: AssistantMessage;
  readonly isLast: boolean;
}

export function AnswerMessageView({ message, isLast }: AnswerMessageProps): ComponentChildren {
  const chat = useChat();
  const running = chat.running.value?.messageId === message.id ? chat.running.value : null;
  const text = running ? running.text.value : message.text;
  const wait = running ? WAITING[running.phase.value] : '';
  return (
    <article class="message message-answer" aria-label="Answer" aria-busy={running !== null}>
      {text !== '' && <MarkdownView text={text} running={running !== null} />}
      {text === '' && wait !== '' && <p class="waiting">{wait}</p>}
      {!running && <Ending message={message} />}
      {!running && (
        <div class="message-actions" data-lasting={isLast}>
          {text !== '' && <CopyButton text={text} />}
          {isLast && (
            <button type="button" class="button button-plain button-small" onClick={() => chat.regenerate()}>
              <Icon name="again" />
              {message.state === 'failed' ? 'Retry' : 'Regenerate'}
            </button>
          )}
          <Figures message={message} />
        </div>
      )}
    </article>
  );
}

/** How it came to its end, unless the model simply was through. */
function Ending({ message }: { message: AssistantMessage }): ComponentChildren {
  const { state, failure } = message;
  if (state === 'failed' && failure) return <FailureText failure={failure} />;
  if (state === 'stopped') return <p class="ending">Stopped.</p>;
  if (state === 'length')
    return (
      <p class="ending">Cut off: the longest answer that the settings allow, or the end of the context.</p>
    );
  return null;
}

function Figures({ message }: { message: AssistantMessage }): ComponentChildren {
  const { figures, model, attention } = message;
  if (!figures) return null;
  const { tokens, tokensPerSecond } = figures;
  const parts = [
    plural(tokens, 'token'),
    ...(tokensPerSecond > 0 ? [`${rate(tokensPerSecond)}/s`] : []),
    model,
    ATTENTION_NAMES[attention],
  ];
  return <span class="figures">{parts.join(' · ')}</span>;
}

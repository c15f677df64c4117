import type { ComponentChildren } from 'preact';
import { parameters } from '../quantities.ts';
import { useChat } from './chat_context.ts';
import { EMBEDDED_MODEL } from '../embedded_model.ts';
import { MLA_EXPLAINED } from '../forms.ts';
import { keyOf, labelOf } from '../model_choice.ts';
import { NoWebGpu } from '../no_webgpu.tsx';

const GENERAL_PROMPTS = [
  'Write a short poem about the sea.',
  'Explain in simple words what a rainbow is.',
  'Give me three ideas for a rainy day, as a list.',
  'What is the difference between weather and climate?',
];

/** Before the first message: where one is, what one talks to, and something to begin with. */
export function EmptyChat(): ComponentChildren {
  const chat = useChat();
  const state = chat.session.state.value;
  if (state.kind === 'failed' && state.error.code === 'no_webgpu') {
    return (
      <NoWebGpu onRetry={() => chat.load(chat.request())}>
        Conversations that are kept on this device can still be read.
      </NoWebGpu>
    );
  }
  const { choice, options } = chat.request();
  const embedded = choice.kind === 'embedded';
  const prompts = embedded ? EMBEDDED_MODEL.prompts : GENERAL_PROMPTS;
  return (
    <section class="empty" aria-labelledby="empty-title">
      <h1 id="empty-title">A language model that never leaves this tab</h1>
      <p class="empty-lead">
        It runs on your own GPU. What you write stays on this device; there is no server to send it to.
      </p>
      <dl class="empty-facts">
        <dt>Model</dt>
        <dd>
          <strong>{labelOf(keyOf(choice))}</strong>
          {embedded && <> {EMBEDDED_MODEL.about}</>}
          {!embedded && state.kind === 'ready' && (
            <>
              {' '}
              {parameters(state.info.parameters)} parameters, {state.info.architecture}.
            </>
          )}{' '}
          <button
            type="button"
            class="link"
            onClick={() => {
              chat.panel.value = 'models';
            }}
          >
            Load another
          </button>
        </dd>
        <dt>Attention</dt>
        <dd>
          {options.attention === 'mla'
            ? MLA_EXPLAINED
            : 'Grouped-query attention, as the checkpoint was trained. Switch to MLA to see it rewritten in the tab.'}
        </dd>
      </dl>
      {chat.canAnswer.value && (
        <ul class="prompts">
          {prompts.map((prompt) => (
            <li key={prompt}>
              <button type="button" class="prompt" onClick={() => chat.send(prompt)}>
                {prompt}
              </button>
            </li>
          ))}
        </ul>
      )}
    </section>
  );
}

import type { ComponentChildren } from 'preact';
import type { WebMlaError } from '../../index.ts';
import { useChat } from './chat_context.ts';
import { CopyButton } from './copy_button.tsx';
import type { LoadRequest } from './model_session.ts';
import { remediesFor } from './remedies.ts';

interface RemedyButtonsProps {
  readonly error: WebMlaError;
  readonly request: LoadRequest;
}

export function RemedyButtons({ error, request }: RemedyButtonsProps): ComponentChildren {
  const chat = useChat();
  const report = JSON.stringify({ ...error.toJSON(), browser: navigator.userAgent }, null, 2);
  return (
    <div class="remedies">
      {remediesFor(error, request).map(({ label, load }, i) => (
        <button
          key={label}
          type="button"
          class={i === 0 ? 'button button-accent' : 'button'}
          onClick={() => {
            if (load === 'choose') chat.panel.value = 'models';
            else chat.load(load);
          }}
        >
          {label}
        </button>
      ))}
      {error.code !== 'aborted' && <CopyButton text={report} label="Copy for a report" wide />}
    </div>
  );
}

import type { ComponentChildren } from 'preact';
import { useEffect, useRef } from 'preact/hooks';
import { Icon } from '../icons.tsx';
import { useChat } from './chat_context.ts';
import { growToText } from './growing_text.ts';
import type { ModelState } from './model_session.ts';
import { submitsText } from './text_keys.ts';

/** The message box. It may be written in, and even sent from, while the model is on its way. */
export function Composer(): ComponentChildren {
  const chat = useChat();
  const field = useRef<HTMLTextAreaElement>(null);
  const state = chat.session.state.value;
  const running = chat.running.value !== null;
  const draft = chat.draft.value;
  const off = state.kind === 'failed' && state.error.code === 'no_webgpu';
  const canSend = chat.canAnswer.value && !running && draft.trim() !== '';
  useEffect(() => growToText(field.current), [draft]);
  useEffect(() => {
    // At the beginning; and when the button that had the focus is gone, Stop or Regenerate.
    // Not on phones, which would throw up their keyboard over the answer.
    const idle = !running && document.activeElement === document.body;
    if (idle && matchMedia('(hover: hover)').matches) field.current?.focus({ preventScroll: true });
  }, [running]);
  const send = (): void => {
    if (!canSend) return;
    chat.draft.value = '';
    chat.send(draft);
    field.current?.focus();
  };
  return (
    <form
      class="composer"
      onSubmit={(event) => {
        event.preventDefault();
        send();
      }}
    >
      <textarea
        id="composer"
        ref={field}
        class="growing"
        aria-label="Message"
        rows={1}
        placeholder={placeholder(state)}
        enterkeyhint="send"
        disabled={off}
        value={draft}
        onInput={({ currentTarget }) => {
          chat.draft.value = currentTarget.value;
        }}
        onKeyDown={(event) => {
          if (submitsText(event)) {
            event.preventDefault();
            send();
          } else if (event.key === 'ArrowUp' && draft === '' && !event.isComposing) {
            event.preventDefault();
            chat.editLast();
          }
        }}
      />
      {running ? (
        <button
          key="stop"
          type="button"
          class="send-button"
          aria-label="Stop"
          title="Stop (Esc)"
          onClick={() => chat.stop()}
        >
          <Icon name="stop" />
        </button>
      ) : (
        <button
          key="send"
          type="submit"
          class="send-button"
          aria-label="Send"
          title="Send (Enter)"
          disabled={!canSend}
        >
          <Icon name="up" />
        </button>
      )}
    </form>
  );
}

function placeholder(state: ModelState): string {
  switch (state.kind) {
    case 'none':
    case 'loading':
      return 'You can write while the model loads';
    case 'ready':
      return 'Write to the model';
    case 'lost':
      return 'The model has to be loaded again';
    case 'failed':
      return state.error.code === 'no_webgpu' ? 'No model can run here' : 'No model is loaded';
  }
}

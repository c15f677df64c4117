import type { ComponentChildren } from 'preact';
import { useLayoutEffect, useRef } from 'preact/hooks';
import { Icon } from '../icons.tsx';
import { useChat } from './chat_context.ts';
import type { UserMessage } from './conversation.ts';
import { CopyButton } from './copy_button.tsx';
import { submitsText } from './text_keys.ts';

/** What the person wrote, as they wrote it: no markdown. */
export function UserMessageView({ message }: { message: UserMessage }): ComponentChildren {
  const chat = useChat();
  if (chat.editing.value === message.id) return <MessageEditor message={message} />;
  return (
    <article class="message message-user" aria-label="You">
      <div class="bubble">{message.text}</div>
      <div class="message-actions">
        <button
          type="button"
          class="icon-button"
          aria-label="Edit"
          title="Edit"
          onClick={() => {
            chat.editing.value = message.id;
          }}
        >
          <Icon name="pencil" />
        </button>
        <CopyButton text={message.text} />
      </div>
    </article>
  );
}

function MessageEditor({ message }: { message: UserMessage }): ComponentChildren {
  const chat = useChat();
  const field = useRef<HTMLTextAreaElement>(null);
  // Before the browser paints: text that arrives at once must not find the caret moved under it.
  useLayoutEffect(() => {
    const element = field.current;
    element?.focus();
    element?.setSelectionRange(element.value.length, element.value.length);
  }, []);
  const leave = (): void => {
    chat.editing.value = null;
    document.querySelector<HTMLElement>('#composer')?.focus();
  };
  const update = (): void => {
    const text = field.current?.value ?? '';
    if (text.trim() === '') return;
    chat.edit(message.id, text);
    document.querySelector<HTMLElement>('#composer')?.focus();
  };
  return (
    <article class="message message-user message-editor" aria-label="You, editing">
      <textarea
        ref={field}
        class="field growing"
        aria-label="Your text"
        aria-describedby="edit-note"
        defaultValue={message.text}
        onKeyDown={(event) => {
          if (event.key === 'Escape') {
            event.preventDefault();
            leave();
          } else if (submitsText(event)) {
            event.preventDefault();
            update();
          }
        }}
      />
      <div class="editor-foot">
        <span id="edit-note" class="faint">
          What follows is answered anew.
        </span>
        <button type="button" class="button button-plain" onClick={leave}>
          Cancel
        </button>
        <button type="button" class="button button-accent" onClick={update}>
          Update
        </button>
      </div>
    </article>
  );
}

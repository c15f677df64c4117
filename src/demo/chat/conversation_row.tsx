import { useSignal } from '@preact/signals';
import type { ComponentChildren } from 'preact';
import { useId, useLayoutEffect, useRef } from 'preact/hooks';
import { Icon } from '../icons.tsx';
import { useChat } from './chat_context.ts';
import type { Conversation } from './conversation.ts';
import { conversationHref } from './page_address.ts';

/** A link, so that a conversation can be opened in another tab, too. */
export function ConversationRow({ conversation }: { conversation: Conversation }): ComponentChildren {
  const chat = useChat();
  const { id, title } = conversation;
  const titleId = useId();
  const link = useRef<HTMLAnchorElement>(null);
  const renaming = useSignal(false);
  const current = chat.shelf.currentId.value === id;
  if (renaming.value) {
    const onDone = (text: string | null, byKey: boolean): void => {
      renaming.value = false;
      if (text !== null) chat.rename(id, text);
      if (byKey) requestAnimationFrame(() => link.current?.focus());
    };
    return (
      <li class="row" data-current={current}>
        <TitleField title={title} onDone={onDone} />
      </li>
    );
  }
  return (
    <li class="row" data-current={current}>
      <a
        ref={link}
        href={conversationHref(id)}
        aria-current={current ? 'page' : undefined}
        onClick={(event) => {
          if (event.ctrlKey || event.metaKey || event.shiftKey) return;
          event.preventDefault();
          chat.open(id);
        }}
      >
        <span class="row-title" id={titleId}>
          {title}
        </span>
        {chat.answers.running.value.has(id) && <span class="row-busy" role="img" aria-label="answering" />}
      </a>
      <div class="row-actions">
        <button
          type="button"
          class="icon-button"
          aria-label="Rename conversation"
          aria-describedby={titleId}
          title="Rename"
          onClick={() => {
            renaming.value = true;
          }}
        >
          <Icon name="pencil" />
        </button>
        <button
          type="button"
          class="icon-button"
          aria-label="Delete conversation"
          aria-describedby={titleId}
          title="Delete"
          onClick={({ currentTarget }) => {
            // The row goes, and the focus with it.
            currentTarget.closest('.sidebar')?.querySelector<HTMLElement>('.side-new')?.focus();
            chat.remove(id);
          }}
        >
          <Icon name="trash" />
        </button>
      </div>
    </li>
  );
}

interface TitleFieldProps {
  readonly title: string;
  /** @param text null: as it was */
  readonly onDone: (text: string | null, byKey: boolean) => void;
}

function TitleField({ title, onDone }: TitleFieldProps): ComponentChildren {
  const field = useRef<HTMLInputElement>(null);
  // Leaving the page, the field may lose the focus once more.
  const isDone = useRef(false);
  const finish = (text: string | null, byKey: boolean): void => {
    if (isDone.current) return;
    isDone.current = true;
    onDone(text, byKey);
  };
  useLayoutEffect(() => field.current?.select(), []);
  return (
    <input
      ref={field}
      class="field"
      aria-label="Title of the conversation"
      defaultValue={title}
      onBlur={({ currentTarget }) => finish(currentTarget.value, false)}
      onKeyDown={(event) => {
        if (event.isComposing) return;
        if (event.key === 'Enter') finish(event.currentTarget.value, true);
        if (event.key !== 'Escape') return;
        // Not the drawer that it lies in, nor the answer.
        event.preventDefault();
        finish(null, true);
      }}
    />
  );
}

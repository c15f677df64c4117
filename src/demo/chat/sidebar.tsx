import { useSignal } from '@preact/signals';
import type { ComponentChildren } from 'preact';
import { Icon, Mark } from '../icons.tsx';
import { PageLinks } from '../page_links.tsx';
import { ThemeSwitch } from '../theme_switch.tsx';
import { useChat } from './chat_context.ts';
import { ConversationRow } from './conversation_row.tsx';

/** So many conversations can be looked over without a search. */
const SEARCH_FROM = 8;

export function Sidebar(): ComponentChildren {
  const chat = useChat();
  const search = useSignal('');
  const all = chat.shelf.all.value;
  const found = all.filter(({ title, messages }) => {
    const wanted = search.value.trim().toLowerCase();
    return [title, ...messages.map(({ text }) => text)].some((text) => text.toLowerCase().includes(wanted));
  });
  return (
    <div class="sidebar">
      <div class="brand">
        <Mark />
        <span>webmla</span>
      </div>
      <button type="button" class="button side-new" onClick={() => chat.open(null)}>
        <Icon name="plus" />
        New chat
      </button>
      {all.length >= SEARCH_FROM && (
        <input
          type="search"
          class="field"
          aria-label="Search conversations"
          placeholder="Search"
          value={search}
          onInput={({ currentTarget }) => {
            search.value = currentTarget.value;
          }}
        />
      )}
      <nav class="conversations" aria-label="Conversations">
        <ul>
          {found.map((conversation) => (
            <ConversationRow key={conversation.id} conversation={conversation} />
          ))}
        </ul>
        {found.length === 0 && (
          <p class="side-empty">
            {all.length === 0 ? 'Conversations are kept on this device only.' : 'None with these words.'}
          </p>
        )}
      </nav>
      {chat.shelf.trouble.value !== null && <p class="side-trouble">{chat.shelf.trouble}</p>}
      <footer class="side-foot">
        <ThemeSwitch />
        <PageLinks here="Chat" />
      </footer>
    </div>
  );
}

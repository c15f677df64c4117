import type { ComponentChildren } from 'preact';
import { useCallback, useEffect } from 'preact/hooks';
import { choiceFromDrop } from '../dropped_files.ts';
import { DropZone } from '../drop_zone.tsx';
import { Modal } from '../modal.tsx';
import { useChat } from './chat_context.ts';
import type { Chat } from './chat.ts';
import { Dock } from './dock.tsx';
import { Log } from './log.tsx';
import { ModelPanel } from './model_panel.tsx';
import { SettingsPanel } from './settings_panel.tsx';
import { Sidebar } from './sidebar.tsx';
import { Toast } from './toast.tsx';
import { TopBar } from './top_bar.tsx';
import { wideScreen } from './wide_screen.ts';

export function App(): ComponentChildren {
  const chat = useChat();
  const panel = chat.panel.value;
  const conversation = chat.shelf.current.value;
  const drawer = panel === 'conversations' && !wideScreen.value;
  const close = (): void => {
    chat.panel.value = null;
  };
  const onDrop = useCallback((data: DataTransfer) => void loadDropped(chat, data), [chat]);
  useEffect(() => {
    const onKeyDown = (event: KeyboardEvent): void => takeKey(chat, event);
    addEventListener('keydown', onKeyDown);
    return () => removeEventListener('keydown', onKeyDown);
  }, []);
  useEffect(() => {
    document.title = conversation ? `${conversation.title} · webmla chat` : 'webmla chat';
  }, [conversation?.title]);
  return (
    <div class="app">
      <a class="skip-link" href="#composer" onClick={focusComposer}>
        Skip to the message box
      </a>
      {wideScreen.value && (
        <aside class="side" aria-label="Conversations">
          <Sidebar />
        </aside>
      )}
      <main class="room">
        {conversation && <h1 class="unseen">{conversation.title}</h1>}
        <TopBar />
        <Log />
        <Dock />
      </main>
      {drawer && (
        <Modal title="Conversations" shape="drawer" onClose={close}>
          <Sidebar />
          {/* What lies outside cannot be reached now. */}
          <Toast />
        </Modal>
      )}
      {panel === 'models' && (
        <Modal title="Models" shape="box" onClose={close}>
          <ModelPanel />
        </Modal>
      )}
      {panel === 'settings' && (
        <Modal title="Settings" shape="sheet" onClose={close}>
          <SettingsPanel />
        </Modal>
      )}
      <DropZone text="Drop a .gguf, or the folder of a model, to load it" onDrop={onDrop} />
      {!drawer && <Toast />}
      <p class="unseen" role="status">
        {chat.notices.spoken}
      </p>
    </div>
  );
}

async function loadDropped(chat: Chat, data: DataTransfer): Promise<void> {
  const choice = await choiceFromDrop(data);
  if (choice) chat.loadModel(choice);
}

/** A fragment would take the place of the conversation in the address. */
function focusComposer(event: Event): void {
  event.preventDefault();
  document.querySelector<HTMLElement>('#composer')?.focus();
}

/** Keys that work wherever the focus is, unless a dialog is open. */
function takeKey(chat: Chat, event: KeyboardEvent): void {
  if (event.defaultPrevented || document.querySelector('dialog[open]')) return;
  if (event.key === 'Escape' && chat.running.peek()) {
    event.preventDefault();
    chat.stop();
  } else if (event.key.toLowerCase() === 'o' && event.shiftKey && (event.ctrlKey || event.metaKey)) {
    event.preventDefault();
    chat.open(null);
    document.querySelector<HTMLElement>('#composer')?.focus();
  }
}

import { render } from 'preact';
import { App } from './app.tsx';
import { autoRun } from './auto_run.ts';
import { Chat } from './chat.ts';
import { ChatContext } from './chat_context.ts';

const chat = new Chat();
const root = document.querySelector('#app');
if (root) {
  render(
    <ChatContext.Provider value={chat}>
      <App />
    </ChatContext.Provider>,
    root,
  );
}
if (chat.address.auto) autoRun(chat);
chat.begin();

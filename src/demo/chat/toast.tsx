import type { ComponentChildren } from 'preact';
import { useChat } from './chat_context.ts';

export function Toast(): ComponentChildren {
  const notice = useChat().notices.shown.value;
  return (
    <div class="toast-place" role="status">
      {notice && (
        <div class="toast">
          <span>{notice.text}</span>
          <button type="button" class="button button-plain" onClick={notice.act}>
            {notice.action}
          </button>
        </div>
      )}
    </div>
  );
}

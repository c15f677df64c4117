import { useSignal } from '@preact/signals';
import type { ComponentChildren } from 'preact';
import { useEffect, useLayoutEffect, useRef } from 'preact/hooks';
import { Icon } from '../icons.tsx';
import { AnswerMessageView } from './answer_message_view.tsx';
import { useChat } from './chat_context.ts';
import type { Conversation } from './conversation.ts';
import { EmptyChat } from './empty_chat.tsx';
import { firstSeen } from './prompt.ts';
import { UserMessageView } from './user_message_view.tsx';

/** So near to the end, in pixels, a reader wants to see what comes. */
const NEAR_END = 60;

/** The messages. Follows what is written until the reader scrolls up. */
export function Log(): ComponentChildren {
  const chat = useChat();
  const conversation = chat.shelf.current.value;
  const scroller = useRef<HTMLDivElement>(null);
  const content = useRef<HTMLDivElement>(null);
  const following = useSignal(true);
  const lastTop = useRef(0);
  const hasMessages = useRef(false);
  hasMessages.current = conversation !== null;
  const toEnd = (): void => {
    following.value = true;
    const element = scroller.current;
    if (element) element.scrollTop = element.scrollHeight;
  };

  useEffect(() => {
    const observer = new ResizeObserver(() => {
      if (following.peek() && hasMessages.current) toEnd();
    });
    if (content.current) observer.observe(content.current);
    if (scroller.current) observer.observe(scroller.current);
    return () => observer.disconnect();
  }, []);

  // Another conversation, or a new message: the end is what matters.
  const lastId = conversation?.messages.at(-1)?.id;
  useLayoutEffect(() => {
    if (conversation) toEnd();
    else if (scroller.current) scroller.current.scrollTop = 0;
  }, [conversation?.id, lastId]);

  const onScroll = ({ currentTarget }: { currentTarget: HTMLElement }): void => {
    const { scrollTop, scrollHeight, clientHeight } = currentTarget;
    const wentUp = scrollTop < lastTop.current - 1;
    lastTop.current = scrollTop;
    if (scrollHeight - clientHeight - scrollTop < NEAR_END) following.value = true;
    else if (wentUp) following.value = false;
  };

  // The answer is read out when it is complete (see Notices): word by word it cannot be followed.
  return (
    <div class="log-place">
      <div
        class="log"
        role="log"
        aria-live="off"
        aria-label="Messages"
        tabIndex={0}
        ref={scroller}
        onScroll={onScroll}
      >
        <div class="log-content" ref={content}>
          {conversation ? (
            <Messages conversation={conversation} />
          ) : (
            (chat.shelf.isRead.value || chat.shelf.currentId.value === null) && <EmptyChat />
          )}
        </div>
      </div>
      {!following.value && conversation && (
        <button type="button" class="to-latest" onClick={toEnd}>
          <Icon name="down" />
          Jump to latest
        </button>
      )}
    </div>
  );
}

function Messages({ conversation }: { conversation: Conversation }): ComponentChildren {
  const { messages } = conversation;
  const seenFrom = firstSeen(conversation);
  return messages.map((message, i) => {
    const isLast = i === messages.length - 1;
    return (
      <div key={message.id} class="turn" data-unseen={i < seenFrom}>
        {i === seenFrom && i > 0 && (
          <p class="context-mark">
            <span>Earlier messages no longer fit and are not seen by the model</span>
          </p>
        )}
        {message.role === 'user' ? (
          <UserMessageView message={message} />
        ) : (
          <AnswerMessageView message={message} isLast={isLast} />
        )}
      </div>
    );
  });
}

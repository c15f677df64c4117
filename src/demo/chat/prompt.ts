import type { ChatMessage } from '../../index.ts';
import type { AssistantMessage, Conversation, Message } from './conversation.ts';

/** The messages of a request, and where in the log each of them begins. */
export interface Prompt {
  readonly messages: readonly ChatMessage[];
  /** For each message but the system's: index in the log of the first message that it stands for. */
  readonly starts: readonly number[];
}

/**
 * What the model is sent of a conversation. Answers without text (stopped or failed before the first word) are left out, and
 * what the person then wrote twice in a row becomes one message: chat templates insist that roles alternate.
 * @param end messages of the log before this index
 */
export function promptOf({ system, messages }: Conversation, end: number): Prompt {
  const sent: ChatMessage[] = [];
  const starts: number[] = [];
  for (const [i, { role, text }] of messages.slice(0, end).entries()) {
    if (role === 'assistant' && text === '') continue;
    const last = sent.at(-1);
    if (last?.role === role) {
      sent[sent.length - 1] = { role, content: `${last.content}\n\n${text}` };
    } else {
      sent.push({ role, content: text });
      starts.push(i);
    }
  }
  if (system.trim() !== '') sent.unshift({ role: 'system', content: system });
  return { messages: sent, starts };
}

/** Index in the log of the first message that the last answer still saw; 0 when it saw all. */
export function firstSeen(conversation: Conversation): number {
  const at = conversation.messages.findLastIndex(isAnswer);
  const answer = conversation.messages[at];
  if (answer === undefined || !isAnswer(answer) || answer.dropped === 0) return 0;
  return promptOf(conversation, at).starts[answer.dropped] ?? at;
}

function isAnswer(message: Message): message is AssistantMessage {
  return message.role === 'assistant';
}

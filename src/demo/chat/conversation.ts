import type { AttentionForm } from '../../index.ts';
import type { AnswerFigures } from './answer_meter.ts';
import type { Failure } from '../failure.ts';
import type { ModelKey } from '../model_choice.ts';
import type { SamplingSettings } from './sampling_settings.ts';

export interface UserMessage {
  readonly role: 'user';
  readonly id: string;
  readonly text: string;
}

/**
 * `running`: still being written; `done`: the model ended; `stopped`: by the person; `length`: at the longest answer, or the
 * context is full; `failed`: see `failure`.
 */
export type AnswerState = 'running' | 'done' | 'stopped' | 'length' | 'failed';

export interface AssistantMessage {
  readonly role: 'assistant';
  readonly id: string;
  readonly text: string;
  readonly state: AnswerState;
  readonly failure: Failure | null;
  readonly figures: AnswerFigures | null;
  /** Messages of the prompt that no longer fit, oldest first. */
  readonly dropped: number;
  /** What wrote it, for display. */
  readonly model: string;
  readonly attention: AttentionForm;
}

export type Message = UserMessage | AssistantMessage;

/** Never changed in place. */
export interface Conversation {
  readonly id: string;
  readonly title: string;
  /** ms since 1970 */
  readonly createdAt: number;
  readonly updatedAt: number;
  readonly system: string;
  readonly sampling: SamplingSettings;
  /** What answered last, or will first. */
  readonly model: ModelKey;
  readonly attention: AttentionForm;
  readonly messages: readonly Message[];
}

const TITLE_LENGTH = 60;

export function beginConversation(
  start: Pick<Conversation, 'system' | 'sampling' | 'model' | 'attention'>,
  text: string,
): Conversation {
  const now = Date.now();
  const { system, sampling, model, attention } = start;
  return {
    id: crypto.randomUUID(),
    title: titleFrom(text),
    createdAt: now,
    updatedAt: now,
    system,
    sampling,
    model,
    attention,
    messages: [],
  };
}

export function userMessage(text: string): UserMessage {
  return { role: 'user', id: crypto.randomUUID(), text };
}

export function runningAnswer(model: string, attention: AttentionForm): AssistantMessage {
  return {
    role: 'assistant',
    id: crypto.randomUUID(),
    text: '',
    state: 'running',
    failure: null,
    figures: null,
    dropped: 0,
    model,
    attention,
  };
}

export function withMessages(conversation: Conversation, messages: readonly Message[]): Conversation {
  return { ...conversation, messages, updatedAt: Date.now() };
}

export function withMessage(conversation: Conversation, message: Message): Conversation {
  return withMessages(
    conversation,
    conversation.messages.map((other) => (other.id === message.id ? message : other)),
  );
}

/** Without the message of this id and all that follow. */
export function cutBefore(conversation: Conversation, id: string): Conversation {
  const at = conversation.messages.findIndex((message) => message.id === id);
  return at === -1 ? conversation : withMessages(conversation, conversation.messages.slice(0, at));
}

/** First words of the first message, until the person gives it a name. */
function titleFrom(text: string): string {
  const line = text.trim().replaceAll(/\s+/g, ' ');
  if (line.length <= TITLE_LENGTH) return line;
  const cut = line.slice(0, TITLE_LENGTH);
  return `${cut.slice(0, Math.max(cut.lastIndexOf(' '), TITLE_LENGTH / 2))}…`;
}

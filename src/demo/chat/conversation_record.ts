import { fieldsOf, listOf, numberOr, oneOf, textOr } from '../plain_data.ts';
import { parseFigures } from './answer_meter.ts';
import type { AssistantMessage, Conversation, Message } from './conversation.ts';
import type { Failure } from '../failure.ts';
import { ATTENTION_FORMS } from '../forms.ts';
import { EMBEDDED, parseKey } from '../model_choice.ts';
import { parseSampling } from './sampling_settings.ts';

/** What lies in the database, read with care: it may be of an older version of the page, or damaged. */

/** @returns null for what cannot be shown as a conversation */
export function parseConversation(record: unknown): Conversation | null {
  const fields = fieldsOf(record);
  const id = textOr(fields['id'], '');
  const messages = listOf(fields['messages'])
    .map(parseMessage)
    .filter((message) => message !== null);
  if (id === '' || messages.length === 0) return null;
  const createdAt = numberOr(fields['createdAt'], 0);
  return {
    id,
    title: textOr(fields['title'], '') || 'Untitled',
    createdAt,
    updatedAt: numberOr(fields['updatedAt'], createdAt),
    system: textOr(fields['system'], ''),
    sampling: parseSampling(fields['sampling']),
    model: parseKey(fields['model']) ?? EMBEDDED,
    attention: oneOf(fields['attention'], ATTENTION_FORMS, 'mla'),
    messages,
  };
}

function parseMessage(record: unknown): Message | null {
  const fields = fieldsOf(record);
  const { id, text, role } = fields;
  if (typeof id !== 'string' || typeof text !== 'string') return null;
  if (role === 'user') return { role, id, text };
  if (role !== 'assistant') return null;
  return {
    role,
    id,
    text,
    state: answerState(fields['state']),
    failure: parseFailure(fields['failure']),
    figures: parseFigures(fields['figures']),
    dropped: numberOr(fields['dropped'], 0),
    model: textOr(fields['model'], ''),
    attention: oneOf(fields['attention'], ATTENTION_FORMS, 'mla'),
  };
}

/** An answer that was running when the page went away was stopped by that. */
function answerState(stored: unknown): AssistantMessage['state'] {
  return oneOf(stored, ['done', 'stopped', 'length', 'failed'], 'stopped');
}

function parseFailure(record: unknown): Failure | null {
  const { code, message, hint } = fieldsOf(record);
  if (typeof code !== 'string' || typeof message !== 'string') return null;
  return { code, message, hint: textOr(hint, '') };
}

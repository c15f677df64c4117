import { WebMlaError } from '../core/errors.ts';
import type { ChatTemplate } from '../text/chat_template.ts';
import type { TextPiece, Tokenizer } from '../text/tokenizer.ts';
import type { ChatMessage } from './types.ts';

/** Messages to prompt ids, and which messages go when they no longer fit. */
export class Conversation {
  readonly #tokenizer: Tokenizer;
  readonly #template: ChatTemplate | null;

  constructor(tokenizer: Tokenizer, template: ChatTemplate | null) {
    this.#tokenizer = tokenizer;
    this.#template = template;
  }

  /**
   * Prompt ids of the messages, ending where the assistant's answer begins. Control tokens written in a message stay text.
   * @throws WebMlaError `bad_request` when the template refuses the messages
   */
  promptIds(messages: readonly ChatMessage[]): number[] {
    if (!this.#template) {
      // Models without a template still have first tokens of their own.
      return this.#tokenizer.encodePieces(plainPieces(messages), { addSpecialTokens: true });
    }
    const pieces = this.#template.renderPieces(messages, {
      addGenerationPrompt: true,
      bosToken: this.#tokenizer.bosToken,
      eosToken: this.#tokenizer.eosToken,
      controlTokens: this.#tokenizer.controlTokens,
    });
    return this.#tokenizer.encodePieces(pieces, { addSpecialTokens: false });
  }

  /**
   * Leaves out the oldest turns until the prompt has at most `most` ids. System messages and the last user message stay.
   * @param from turns that are out already
   * @returns null when it does not fit even so
   */
  fit(
    messages: readonly ChatMessage[],
    most: number,
    from = 0,
  ): { readonly ids: number[]; readonly dropped: number } | null {
    for (let turns = from; ; turns++) {
      const kept = dropTurns(messages, turns);
      if (!kept) return null;
      const ids = this.promptIds(kept);
      if (ids.length <= most) return { ids, dropped: messages.length - kept.length };
    }
  }
}

/**
 * Without the oldest `turns` turns; a turn is a user message with what follows it.
 * @returns null when the last user message would go
 */
export function dropTurns(messages: readonly ChatMessage[], turns: number): readonly ChatMessage[] | null {
  const starts = messages.flatMap(({ role }, i) => (role === 'user' ? [i] : []));
  // Messages of the assistant before the first user message belong to the first turn.
  const first = turns === 0 ? 0 : starts[turns];
  if (turns > 0 && first === undefined) return null;
  return messages.filter(({ role }, i) => role === 'system' || i >= (first ?? 0));
}

/** For models without a chat template: the roles in words. */
function plainPieces(messages: readonly ChatMessage[]): TextPiece[] {
  const names = { system: '', user: 'User: ', assistant: 'Assistant: ' } as const;
  const lines = messages.map(({ role, content }) => `${names[role]}${content}\n`);
  return [{ text: `${lines.join('')}Assistant:`, specialTokens: 'plain' }];
}

const ROLES: readonly string[] = ['system', 'user', 'assistant'];

/** @throws WebMlaError `bad_request` */
export function checkMessages(messages: unknown): asserts messages is readonly ChatMessage[] {
  if (!Array.isArray(messages) || messages.length === 0) {
    throw new WebMlaError('bad_request', `messages: expected at least one, got ${JSON.stringify(messages)}`);
  }
  for (const [i, message] of messages.entries()) {
    const known = typeof message === 'object' && message !== null ? Object.entries(message) : [];
    const field = (name: string): unknown => known.find(([key]) => key === name)?.[1];
    const role = field('role');
    if (typeof role !== 'string' || !ROLES.includes(role)) {
      throw new WebMlaError(
        'bad_request',
        `messages[${i}].role: expected one of ${ROLES.join(', ')}, got ${JSON.stringify(role)}`,
      );
    }
    if (typeof field('content') !== 'string') {
      throw new WebMlaError(
        'bad_request',
        `messages[${i}].content: expected a text, got ${JSON.stringify(field('content'))}`,
      );
    }
  }
}

import type { Tokenizer } from './tokenizer.ts';

export interface TextStreamOptions {
  /** Default true. */
  readonly skipSpecialTokens?: boolean;
  /**
   * Ids that the new text goes on from, such as the prompt of a completion. They give out nothing, but a SentencePiece
   * vocabulary drops the space before the first token of a text only, and half a character at their end is completed.
   * Left out for a new text, such as the answer in a chat.
   */
  readonly after?: readonly number[];
}

/**
 * Ids to text, one at a time, in O(1) each. All texts that push gives, and that of flush at the end, are together what
 * `tokenizer.decode` makes of all ids. Half a character is never given out: its bytes wait for the rest, and become
 * U+FFFD when the rest can no longer come.
 */
export class TextStream {
  readonly #tokenizer: Pick<Tokenizer, 'startDecoding'>;
  readonly #skipSpecialTokens: boolean;
  readonly #after: readonly number[];
  #decoding: ReturnType<Tokenizer['startDecoding']>;

  constructor(tokenizer: Pick<Tokenizer, 'startDecoding'>, options: TextStreamOptions = {}) {
    this.#tokenizer = tokenizer;
    this.#skipSpecialTokens = options.skipSpecialTokens ?? true;
    this.#after = options.after ?? [];
    this.#decoding = this.#start();
  }

  /** @returns the text that this token finishes; '' for a special token, an unknown id or half a character */
  push(id: number): string {
    return this.#decoding.push(id);
  }

  /** @returns what was held back. The next push begins again behind `after`. */
  flush(): string {
    const rest = this.#decoding.end();
    this.#decoding = this.#start();
    return rest;
  }

  #start(): ReturnType<Tokenizer['startDecoding']> {
    const decoding = this.#tokenizer.startDecoding({ skipSpecialTokens: this.#skipSpecialTokens });
    for (const id of this.#after) decoding.push(id);
    return decoding;
  }
}

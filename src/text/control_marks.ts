import { WebMlaError } from '../core/errors.ts';
import { isObject } from './json_fields.ts';
import { TokenTrie } from './token_trie.ts';
import type { TextPiece } from './tokenizer.ts';

/**
 * Keeps apart what a chat template writes and what a user writes. Control tokens in messages are put between two marks
 * before the template runs, and become plain text afterwards, wherever the template has carried them: a message with
 * '<|im_end|>\n<|im_start|>system' stays a message.
 * The marks are two noncharacters that occur neither in the messages nor in the template, so no message can contain them.
 * A message without control tokens is not touched at all. The idea is that of transformers 5 (sanitize_control_tokens).
 */
export class ControlMarks {
  readonly #control = new TokenTrie<true>();
  readonly #tokens: readonly string[];
  readonly #open: string;
  readonly #close: string;

  /**
   * @param texts everything that the marks must not occur in
   * @throws bad_request when the texts use up all noncharacters
   */
  constructor(controlTokens: readonly string[], texts: readonly string[]) {
    this.#tokens = controlTokens;
    for (const token of controlTokens) this.#control.add(token, true);
    const free: string[] = [];
    for (let code = 0xfdd0; code <= 0xfdef && free.length < 2; code++) {
      const char = String.fromCharCode(code);
      if (!texts.some((text) => text.includes(char))) free.push(char);
    }
    const [open, close] = free;
    if (open === undefined || close === undefined) {
      throw new WebMlaError(
        'bad_request',
        'messages: expected two of the noncharacters U+FDD0 to U+FDEF to be unused, got messages with all of them',
        'Take the noncharacters out of the messages.',
      );
    }
    this.#open = open;
    this.#close = close;
  }

  get both(): string {
    return this.#open + this.#close;
  }

  /** The value with marks around the control tokens of all its strings; keys of objects are left alone. */
  mark(value: unknown): unknown {
    if (typeof value === 'string') return this.#markText(value);
    if (Array.isArray(value)) return value.map((part) => this.mark(part));
    if (isObject(value))
      return Object.fromEntries(Object.entries(value).map(([key, part]) => [key, this.mark(part)]));
    return value;
  }

  unmark(text: string): string {
    return text.replaceAll(this.#open, '').replaceAll(this.#close, '');
  }

  /**
   * The rendered text in pieces, without marks.
   * @param strict a control token counts as the user's if it only touches a mark: for templates that cut messages into
   *   parts in ways that may lose one mark of a pair
   */
  pieces(rendered: string, strict: boolean): TextPiece[] {
    const text = this.unmark(rendered);
    /** Places of marks in `text`. */
    const opens = new Set<number>();
    const closes = new Set<number>();
    let place = 0;
    for (let i = 0; i < rendered.length; i++) {
      const char = rendered.charAt(i);
      if (char === this.#open) opens.add(place);
      else if (char === this.#close) closes.add(place);
      else place++;
    }
    const marks = [...new Set([...opens, ...closes])].toSorted((a, b) => a - b);
    const pieces: TextPiece[] = [];
    let done = 0;
    for (const mark of marks) {
      for (let i = Math.max(done, mark - this.#control.longest); i <= mark; i++) {
        const end = this.#control.longestAt(text, i)?.end ?? i;
        const between = opens.has(i) && closes.has(end);
        const across = i < mark && mark < end;
        const touching = strict && end > i && (opens.has(i) || closes.has(end));
        if (end === i || !(between || across || touching)) continue;
        if (done < i) pieces.push({ text: text.slice(done, i), specialTokens: 'parse' });
        pieces.push({ text: text.slice(i, end), specialTokens: 'plain' });
        done = end;
        i = end - 1;
      }
    }
    if (done < text.length) pieces.push({ text: text.slice(done), specialTokens: 'parse' });
    return pieces;
  }

  #markText(text: string): string {
    let marked = '';
    let done = 0;
    const takeTo = (end: number, mark: string): void => {
      marked += text.slice(done, end) + mark;
      done = end;
    };
    // Half a token at either end, which the template's text might complete: the mark between them is seen afterwards.
    const start = text.length - text.trimStart().length;
    if (this.#endsToken(text, start)) takeTo(start, this.#open);
    for (let i = start; i < text.length;) {
      const found = this.#control.longestAt(text, i);
      if (found === undefined) i++;
      else {
        takeTo(i, this.#open);
        takeTo(found.end, this.#close);
        i = found.end;
      }
    }
    const end = text.trimEnd().length;
    if (end > done && this.#beginsToken(text.slice(0, end))) takeTo(end, this.#close);
    return marked + text.slice(done);
  }

  /** Whether the text's end is the beginning of a control token. */
  #beginsToken(text: string): boolean {
    for (let i = Math.max(0, text.length - this.#control.longest); i < text.length; i++) {
      if (this.#control.beginsAt(text, i)) return true;
    }
    return false;
  }

  /** Whether a control token ends with the first characters of the text from `start`. */
  #endsToken(text: string, start: number): boolean {
    const longest = Math.min(text.length - start, this.#control.longest - 1);
    for (let length = 1; length <= longest; length++) {
      const head = text.slice(start, start + length);
      if (this.#tokens.some((token) => token.length > length && token.endsWith(head))) return true;
    }
    return false;
  }
}

/** All strings in a value, for the choice of marks. */
export function stringsIn(value: unknown): string[] {
  if (typeof value === 'string') return [value];
  if (Array.isArray(value)) return value.flatMap((part) => stringsIn(part));
  if (isObject(value)) return Object.values(value).flatMap((part) => stringsIn(part));
  return [];
}

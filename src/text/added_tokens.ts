import { WebMlaError } from '../core/errors.ts';
import { asBoolean, asList, asObject, asString, asTokenId } from './json_fields.ts';
import type { Normalize } from './normalizer.ts';
import type { Piece } from './pre_tokenizer.ts';
import { TokenTrie } from './token_trie.ts';

/**
 * `added_tokens` of tokenizer.json: strings that become one id wherever they stand in a text, before anything else looks
 * at it. Source: tokenizers/src/tokenizer/added_vocabulary.rs, which the library follows only roughly (single_word is
 * missing, lstrip and rstrip use JavaScript's idea of white space).
 */

export interface AddedToken {
  readonly id: number;
  readonly content: string;
  readonly single_word: boolean;
  readonly lstrip: boolean;
  readonly rstrip: boolean;
  readonly normalized: boolean;
  readonly special: boolean;
}

/** @throws bad_file */
export function readAddedToken(value: unknown, thing: string): AddedToken {
  const token = asObject(value, thing);
  const special = asBoolean(token['special'], false, `${thing}.special`);
  return {
    id: asTokenId(token['id'], `${thing}.id`),
    content: asString(token['content'], `${thing}.content`),
    single_word: asBoolean(token['single_word'], false, `${thing}.single_word`),
    lstrip: asBoolean(token['lstrip'], false, `${thing}.lstrip`),
    rstrip: asBoolean(token['rstrip'], false, `${thing}.rstrip`),
    normalized: asBoolean(token['normalized'], !special, `${thing}.normalized`),
    special,
  };
}

/** @throws bad_file */
export function readAddedTokens(value: unknown, thing = 'tokenizer.json: added_tokens'): AddedToken[] {
  if (value === undefined || value === null) return [];
  return asList(value, thing).map((token, i) => readAddedToken(token, `${thing}[${i}]`));
}

/**
 * Tokens that a user's text must not be able to write: special ones, and all others but plain words and white space.
 * The flag alone is not enough: DeepSeek-V3's <｜User｜> and many fine-tunes' <|im_start|> are not marked special, while
 * Gemma's and GPT-NeoX's runs of spaces are added tokens that ordinary text needs.
 */
export function isControlToken(token: AddedToken): boolean {
  return token.special || !/^[\p{L}\p{M}\p{N}\p{White_Space}▁]+$/u.test(token.content);
}

/** Part of a text in which control tokens are only text, in UTF-16 code units. */
export interface PlainRange {
  readonly start: number;
  readonly end: number;
}

/** Either the id of an added token, or a piece of text between them, normalized. */
export type Section = number | Piece;

/** Noncharacters: they never stand in real text, and a text that has them all is refused. */
const STAND_INS: readonly string[] = Array.from({ length: 32 }, (_, i) => String.fromCharCode(0xfdd0 + i));

export class AddedTokens {
  readonly #normalize: Normalize | null;
  /** Looked for in the text as it is, and in the normalized text. */
  readonly #asWritten = new TokenTrie<AddedToken>();
  readonly #normalized = new TokenTrie<AddedToken>();
  readonly #control = new TokenTrie<true>();

  constructor(tokens: readonly AddedToken[], normalize: Normalize | null) {
    this.#normalize = normalize;
    for (const token of tokens) {
      if (token.normalized) this.#normalized.add(normalize?.(token.content) ?? token.content, token);
      else this.#asWritten.add(token.content, token);
      if (isControlToken(token)) this.#control.add(token.content, true);
    }
  }

  /** Cuts a text at its added tokens and normalizes what lies between. */
  split(text: string, plain: readonly PlainRange[]): Section[] {
    const mask = plain.length === 0 ? null : this.#mask(text, plain);
    const masked = mask === null ? text : mask.text;
    const sections: Section[] = [];
    for (const part of cut(masked, this.#asWritten, () => true)) {
      if (typeof part === 'number') {
        sections.push(part);
        continue;
      }
      const normalized = this.#normalize?.(part.text) ?? part.text;
      // Normalizing can spell a control token that no mask could see (NFKC of a full-width '＜'): only where the token
      // was also written out may it count.
      const allowed = (token: AddedToken): boolean =>
        mask === null || !isControlToken(token) || part.text.includes(token.content);
      for (const inner of cut(normalized, this.#normalized, allowed)) {
        if (typeof inner === 'number') sections.push(inner);
        else {
          sections.push({
            text: mask === null ? inner.text : mask.unmask(inner.text),
            atStart: part.atStart && inner.atStart,
          });
        }
      }
    }
    return sections;
  }

  /**
   * Hides the control tokens of plain ranges from the search: the first character of each gives way to a noncharacter and
   * comes back afterwards, so that the text around it is cut into pieces as if the token were any other text.
   */
  #mask(text: string, plain: readonly PlainRange[]): { text: string; unmask: (text: string) => string } {
    const free = STAND_INS.filter((char) => !text.includes(char));
    const standIns = new Map<string, string>();
    const standInFor = (char: string): string => {
      let standIn = standIns.get(char);
      if (standIn === undefined) {
        standIn = free.pop();
        if (standIn === undefined) {
          throw new WebMlaError(
            'bad_request',
            'text: expected at least one of the noncharacters U+FDD0 to U+FDEF to be unused, got a text with all of them',
            'Take the noncharacters out of the text.',
          );
        }
        standIns.set(char, standIn);
      }
      return standIn;
    };
    let masked = '';
    let done = 0;
    for (const range of plain) {
      // A token that begins before the range and reaches into it is the user's as well.
      for (let i = Math.max(done, range.start - this.#control.longest + 1); i < range.end; i++) {
        const found = this.#control.longestAt(text, i);
        if (found === undefined || found.end <= range.start) continue;
        masked += text.slice(done, i) + standInFor(text.charAt(i));
        done = i + 1;
      }
    }
    masked += text.slice(done);
    const original = new Map([...standIns].map(([char, standIn]) => [standIn, char]));
    const unmask = (part: string): string =>
      part.replaceAll(/[\uFDD0-\uFDEF]/g, (char) => original.get(char) ?? char);
    return { text: masked, unmask };
  }
}

/** Leftmost longest matches of `trie`, and the text between them. */
function cut(
  text: string,
  trie: TokenTrie<AddedToken>,
  allowed: (token: AddedToken) => boolean,
): (number | Piece)[] {
  const parts: (number | Piece)[] = [];
  let done = 0;
  const takeText = (end: number): void => {
    if (done < end) parts.push({ text: text.slice(done, end), atStart: done === 0 });
  };
  for (let i = 0; trie.longest > 0 && i < text.length;) {
    const found = trie.longestAt(text, i);
    if (found === undefined) {
      i++;
      continue;
    }
    const { end, value: token } = found;
    const start = i;
    // What is not taken is still passed over, as the Rust code does.
    i = end;
    if (!allowed(token)) continue;
    if (token.single_word && (endsWithWord(text, start) || startsWithWord(text, end))) continue;
    takeText(token.lstrip ? Math.max(done, spaceBefore(text, start)) : start);
    parts.push(token.id);
    done = token.rstrip ? spaceAfter(text, end) : end;
  }
  takeText(text.length);
  return parts;
}

/** \w of Rust's regex crate. */
const WORD = /[\p{Alphabetic}\p{M}\p{Nd}\p{Pc}\p{Join_Control}]/u;
const SPACE = /\p{White_Space}/u;

function endsWithWord(text: string, end: number): boolean {
  const last = text.codePointAt(/[\uDC00-\uDFFF]/.test(text.charAt(end - 1)) ? end - 2 : end - 1);
  return end > 0 && last !== undefined && WORD.test(String.fromCodePoint(last));
}

function startsWithWord(text: string, start: number): boolean {
  const first = text.codePointAt(start);
  return first !== undefined && WORD.test(String.fromCodePoint(first));
}

/** Where the white space that ends at `end` begins. */
function spaceBefore(text: string, end: number): number {
  let start = end;
  while (start > 0 && SPACE.test(text.charAt(start - 1))) start--;
  return start;
}

/** Where the white space that begins at `start` ends. */
function spaceAfter(text: string, start: number): number {
  let end = start;
  while (end < text.length && SPACE.test(text.charAt(end))) end++;
  return end;
}

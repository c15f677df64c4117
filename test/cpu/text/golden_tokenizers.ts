import { readFileSync } from 'node:fs';
import { createTokenizer } from '../../../src/text/tokenizer.ts';
import type { Tokenizer } from '../../../src/text/tokenizer.ts';

/** tokenizer_goldens.json, made by scripts/make_tokenizer_goldens.py with Hugging Face's Rust tokenizers. */

/**
 * ids; plain ids and ids with the model's own tokens (null or left out: the same); text of the ids (the text itself); text
 * without special tokens (as the one before). Numbers stand in a text with spaces between.
 */
export type FixedGolden = readonly [
  ids: string,
  plain?: string | null,
  around?: string | null,
  decoded?: string | null,
  shown?: string | null,
];

/** Ids and their text. */
type RandomGolden = readonly [string, string];

interface AddedTokenGolden {
  readonly id: number;
  readonly content: string;
  readonly special: boolean;
}

interface Family {
  readonly vocabulary: string;
  readonly model: Readonly<Record<string, unknown>>;
  readonly added_tokens: readonly AddedTokenGolden[];
  readonly normalizer: unknown;
  readonly pre_tokenizer: unknown;
  readonly post_processor: unknown;
  readonly decoder: unknown;
  readonly fixed: readonly FixedGolden[];
  readonly random: string;
  readonly random_ids: readonly RandomGolden[];
}

interface Vocabulary {
  readonly type: string;
  readonly unk_token?: string | null;
  /** Tokens in the order of their ids; for Unigram each with its score. */
  readonly vocab: string;
  /** Pairs one after the other. */
  readonly merges?: string;
}

interface Goldens {
  readonly vocabularies: Readonly<Record<string, Vocabulary>>;
  readonly parts: readonly string[];
  readonly fixed_texts: readonly string[];
  readonly random_texts: readonly string[];
  readonly block: number;
  readonly families: Readonly<Record<string, Family>>;
  readonly models: Readonly<
    Record<
      string,
      { readonly fixed: string; readonly random: string; readonly random_ids: readonly RandomGolden[] }
    >
  >;
}

const file =
  process.env['WEBMLA_TOKENIZER_GOLDENS'] ?? new URL('tokenizer_goldens.json', import.meta.url).pathname;

export const goldens: Goldens = JSON.parse(readFileSync(file, 'utf8'));

export function numbers(spaced: string): number[] {
  return spaced === '' ? [] : spaced.split(' ').map(Number);
}

export const familyNames = Object.keys(goldens.families);

export const randomTexts = goldens.random_texts.map((parts) =>
  numbers(parts)
    .map((i) => goldens.parts[i])
    .join(''),
);

/** Two at a time. */
function pairs(spaced: string): [string, string][] {
  const words = spaced.split(' ');
  return Array.from({ length: words.length / 2 }, (_, i) => [words[2 * i] ?? '', words[2 * i + 1] ?? '']);
}

/** Tokens of a BPE vocabulary by id. */
export function familyTokens(name: string): string[] {
  return goldens.vocabularies[goldens.families[name]!.vocabulary]!.vocab.split(' ');
}

/** Merges as older files have them, 'a b'. */
export function familyMerges(name: string): string[] {
  const { merges = '' } = goldens.vocabularies[goldens.families[name]!.vocabulary]!;
  return pairs(merges).map((pair) => pair.join(' '));
}

export function familyJson(name: string): Record<string, unknown> {
  const family = goldens.families[name]!;
  const stored = goldens.vocabularies[family.vocabulary]!;
  const vocabulary =
    stored.type === 'BPE'
      ? {
          vocab: Object.fromEntries(familyTokens(name).map((token, id) => [token, id])),
          merges: familyMerges(name),
        }
      : { vocab: pairs(stored.vocab).map(([token, score]) => [token, Number(score)]) };
  const { added_tokens, normalizer, pre_tokenizer, post_processor, decoder } = family;
  return {
    version: '1.0',
    added_tokens,
    normalizer,
    pre_tokenizer,
    post_processor,
    decoder,
    model: { ...stored, ...vocabulary, ...family.model },
  };
}

const made = new Map<string, Tokenizer>();

export function familyTokenizer(name: string): Tokenizer {
  const tokenizer =
    made.get(name) ?? createTokenizer({ tokenizerJson: familyJson(name), tokenizerConfig: {} });
  made.set(name, tokenizer);
  return tokenizer;
}

const SEPARATOR = 0xffff_ffff;

/** FNV-1a over 32-bit numbers. */
function digest(list: readonly number[]): number {
  let value = 0x811c9dc5;
  for (const number of list) value = Math.imul(value ^ number, 0x01000193) >>> 0;
  return value;
}

/** Everything that a tokenizer makes of some texts, in one number for each block of them. */
export function digests(tokenizer: Tokenizer, texts: readonly string[]): number[] {
  const found: number[] = [];
  for (let start = 0; start < texts.length; start += goldens.block) {
    const all = texts.slice(start, start + goldens.block).flatMap((text) => {
      const ids = tokenizer.encode(text, { specialTokens: 'parse', addSpecialTokens: false });
      const decoded = mixesBytes(tokenizer, ids)
        ? ['', '']
        : [true, false].map((kept) => tokenizer.decode(ids, { skipSpecialTokens: !kept }));
      return [
        ids,
        tokenizer.encode(text, { specialTokens: 'plain', addSpecialTokens: false }),
        tokenizer.encode(text, { specialTokens: 'parse', addSpecialTokens: true }),
        ...decoded.map((one) => Array.from(one, (char) => char.codePointAt(0) ?? 0)),
      ].flatMap((part) => [...part, SEPARATOR]);
    });
    found.push(digest(all));
  }
  return found;
}

/** A run of byte tokens with good and bad characters in it: the one place where decode is not Rust's. */
function mixesBytes(tokenizer: Tokenizer, ids: readonly number[]): boolean {
  return [ids, ids.filter((id) => !tokenizer.specialIds.has(id))].some((some) => {
    let run: number[] = [];
    return [...some, -1].some((id) => {
      const byte = /^<0x([\dA-F]{2})>$/.exec(tokenizer.token(id) ?? '')?.[1];
      if (byte !== undefined) {
        run.push(Number.parseInt(byte, 16));
        return false;
      }
      const text = new TextDecoder('utf-8', { ignoreBOM: true }).decode(Uint8Array.from(run));
      run = [];
      return text.includes('\uFFFD') && /[^\uFFFD]/.test(text);
    });
  });
}

import { spellBytes } from './byte_alphabet.ts';
import { asBoolean, asList, asObject, asString, badField, unsupportedField } from './json_fields.ts';
import type { JsonObject } from './json_fields.ts';
import {
  applyBehavior,
  findSpans,
  invertSpans,
  isSplitBehavior,
  readPattern,
  translateRegex,
} from './split_pattern.ts';
import type { SplitBehavior } from './split_pattern.ts';

/**
 * `pre_tokenizer` of tokenizer.json: how a text falls into the pieces that the vocabulary is applied to.
 * Source: tokenizers/src/pre_tokenizers.
 */

export interface Piece {
  readonly text: string;
  /** It begins where the whole text begins; Metaspace with prepend_scheme 'first' asks. */
  readonly atStart: boolean;
}

export type PreTokenize = (pieces: readonly Piece[]) => readonly Piece[];

/** GPT-2's own expression, in the words of tokenizers/src/pre_tokenizers/byte_level.rs. */
export const GPT2_REGEX = String.raw`'s|'t|'re|'ve|'m|'ll|'d| ?\p{L}+| ?\p{N}+| ?[^\s\p{L}\p{N}]+|\s+(?!\S)|\s+`;

const ASCII_PUNCTUATION = String.raw`!-\/:-@\[-\x60\{-~`;

/** @throws bad_file, or unsupported for a type that is not here */
export function readPreTokenizer(value: unknown, thing = 'tokenizer.json: pre_tokenizer'): PreTokenize {
  if (value === null || value === undefined) return (pieces) => pieces;
  const config = asObject(value, thing);
  switch (config['type']) {
    case 'Sequence': {
      const parts = asList(config['pretokenizers'], `${thing}.pretokenizers`).map((part, i) =>
        readPreTokenizer(part, `${thing}.pretokenizers[${i}]`),
      );
      return (pieces) => parts.reduce((done, part) => part(done), pieces);
    }
    case 'Split':
      return splitAt(
        readPattern(config['pattern'], `${thing}.pattern`),
        readBehavior(config['behavior'], `${thing}.behavior`),
        asBoolean(config['invert'], false, `${thing}.invert`),
      );
    case 'ByteLevel':
      return byteLevel(
        asBoolean(config['add_prefix_space'], false, `${thing}.add_prefix_space`),
        asBoolean(config['use_regex'], true, `${thing}.use_regex`),
      );
    case 'Metaspace':
      return metaspace(config, thing);
    case 'Digits':
      // The library takes \d here; Rust's char::is_numeric is all of Unicode's class N: ², ½, Ⅷ, ٣.
      return splitAt(
        /\p{N}/gu,
        asBoolean(config['individual_digits'], false, `${thing}.individual_digits`)
          ? 'Isolated'
          : 'Contiguous',
      );
    case 'Punctuation':
      return splitAt(
        new RegExp(`[\\p{P}${ASCII_PUNCTUATION}]`, 'gu'),
        readBehavior(config['behavior'] ?? 'Isolated', `${thing}.behavior`),
      );
    case 'Whitespace':
      return splitAt(translateRegex(String.raw`\w+|[^\w\s]+`, thing), 'Removed', true);
    case 'WhitespaceSplit':
      return splitAt(/\p{White_Space}/gu, 'Removed');
    case 'CharDelimiterSplit':
      return splitAt(readPattern({ String: config['delimiter'] }, `${thing}.delimiter`), 'Removed');
    default:
      throw unsupportedField(
        `${thing}.type`,
        'Sequence, Split, ByteLevel, Metaspace, Digits, Punctuation, Whitespace, WhitespaceSplit or CharDelimiterSplit',
        config['type'],
      );
  }
}

function readBehavior(value: unknown, thing: string): SplitBehavior {
  if (!isSplitBehavior(value)) throw badField(thing, 'one of the five split behaviours', value);
  return value;
}

function splitAt(pattern: RegExp, behavior: SplitBehavior, invert = false): PreTokenize {
  return (pieces) =>
    pieces.flatMap((piece) => {
      const found = findSpans(piece.text, pattern);
      return applyBehavior(invert ? invertSpans(found) : found, behavior).map((span) => ({
        text: piece.text.slice(span.start, span.end),
        atStart: piece.atStart && span.start === 0,
      }));
    });
}

function byteLevel(addPrefixSpace: boolean, useRegex: boolean): PreTokenize {
  const split: PreTokenize = useRegex
    ? splitAt(translateRegex(GPT2_REGEX, 'ByteLevel'), 'Isolated')
    : (pieces) => pieces;
  return (pieces) =>
    split(
      addPrefixSpace
        ? pieces.map((piece) => (piece.text.startsWith(' ') ? piece : { ...piece, text: ` ${piece.text}` }))
        : pieces,
    ).map((piece) => ({ ...piece, text: spellBytes(piece.text) }));
}

function metaspace(config: JsonObject, thing: string): PreTokenize {
  const replacement = asString(config['replacement'] ?? '▁', `${thing}.replacement`);
  const scheme = readPrependScheme(config, thing);
  const split = asBoolean(config['split'], true, `${thing}.split`)
    ? splitAt(readPattern({ String: replacement }, `${thing}.replacement`), 'MergedWithNext')
    : (pieces: readonly Piece[]) => pieces;
  return (pieces) =>
    split(
      pieces.map((piece) => {
        const text = piece.text.replaceAll(' ', () => replacement);
        const prepend = scheme === 'always' || (scheme === 'first' && piece.atStart);
        return { ...piece, text: prepend && !text.startsWith(replacement) ? replacement + text : text };
      }),
    );
}

/** Metaspace's prepend_scheme; older files say add_prefix_space instead. @throws bad_file */
export function readPrependScheme(config: JsonObject, thing: string): 'always' | 'first' | 'never' {
  const old = asBoolean(config['add_prefix_space'], true, `${thing}.add_prefix_space`) ? 'always' : 'never';
  const scheme = config['prepend_scheme'] ?? old;
  if (scheme !== 'always' && scheme !== 'first' && scheme !== 'never') {
    throw badField(`${thing}.prepend_scheme`, "'always', 'first' or 'never'", scheme);
  }
  return scheme;
}

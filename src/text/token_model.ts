import { Unigram } from '@huggingface/tokenizers';
import { BytePairMerger } from './bpe.ts';
import {
  asBoolean,
  asList,
  asObject,
  asString,
  asTokenId,
  badField,
  unsupportedField,
} from './json_fields.ts';
import type { JsonObject } from './json_fields.ts';

/**
 * `model` of tokenizer.json: a vocabulary and how a piece of text becomes ids of it. Source: tokenizers/src/models. Unigram's
 * search is the library's; merging (bpe.ts), unknown characters, bytes and what may not be spelled are ours.
 */

export type TokenModelType = 'BPE' | 'Unigram';

export interface TokenModel {
  readonly type: TokenModelType;
  readonly idOfToken: ReadonlyMap<string, number>;
  /** @returns ids of one piece of the pre-tokenizer; characters without a token are dropped where the file says so */
  encode(piece: string): readonly number[];
}

/**
 * @param control contents of added tokens that text must not be able to spell: no merge may end in one
 * @throws bad_file, or unsupported: only BPE and Unigram, the two that models which generate text use
 */
export function readTokenModel(value: unknown, control: ReadonlySet<string>): TokenModel {
  const thing = 'tokenizer.json: model';
  const config = asObject(value, thing);
  switch (modelType(config)) {
    case 'BPE':
      return readBpe(config, control, thing);
    case 'Unigram':
      return readUnigram(config, control, thing);
    default:
      throw unsupportedField(`${thing}.type`, "'BPE' or 'Unigram'", config['type']);
  }
}

/** Old files have no type; only BPE has merges, and only Unigram has a list for a vocabulary. */
function modelType(config: JsonObject): unknown {
  if (config['type'] !== undefined) return config['type'];
  if (Array.isArray(config['merges'])) return 'BPE';
  return Array.isArray(config['vocab']) ? 'Unigram' : undefined;
}

function readBpe(config: JsonObject, control: ReadonlySet<string>, thing: string): TokenModel {
  const vocabulary = asObject(config['vocab'], `${thing}.vocab`);
  const idOfToken = new Map<string, number>();
  for (const [token, id] of Object.entries(vocabulary)) {
    idOfToken.set(token, asTokenId(id, `${thing}.vocab[${JSON.stringify(token)}]`));
  }
  const controlIds = new Set([...control].map((token) => idOfToken.get(token)));
  for (const field of ['continuing_subword_prefix', 'end_of_word_suffix']) {
    const affix = config[field] ?? '';
    if (affix !== '') throw unsupportedField(`${thing}.${field}`, 'none', affix);
  }
  const merges = asList(config['merges'] ?? [], `${thing}.merges`)
    .map((merge, i) => readMerge(merge, idOfToken, `${thing}.merges[${i}]`))
    .filter((merge) => !controlIds.has(merge[2]));
  const merger = new BytePairMerger(merges);
  const ignoreMerges = asBoolean(config['ignore_merges'], false, `${thing}.ignore_merges`);
  const rules: UnknownRules = {
    idOfToken,
    byteFallback: asBoolean(config['byte_fallback'], false, `${thing}.byte_fallback`),
    fuseUnknown: asBoolean(config['fuse_unk'], false, `${thing}.fuse_unk`),
    unknownId: readUnknownToken(config['unk_token'], idOfToken, `${thing}.unk_token`),
  };

  const cache = new Map<string, readonly number[]>();
  const encode = (piece: string): readonly number[] => {
    if (ignoreMerges && !control.has(piece)) {
      const whole = idOfToken.get(piece);
      if (whole !== undefined) return [whole];
    }
    const known = cache.get(piece);
    if (known !== undefined) return known;
    const ids = merger.merge(mapTokens(piece, rules));
    if (piece.length <= CACHED_LENGTH) {
      if (cache.size >= CACHED_PIECES) cache.clear();
      cache.set(piece, ids);
    }
    return ids;
  };
  return { type: 'BPE', idOfToken, encode };
}

/** Words come again; long pieces do not. */
const CACHED_LENGTH = 32;
const CACHED_PIECES = 20_000;

/** 'a b' of older files, ['a', 'b'] of newer ones. @returns ids of both parts and of the whole */
function readMerge(
  value: unknown,
  idOfToken: ReadonlyMap<string, number>,
  thing: string,
): readonly [number, number, number] {
  const parts: readonly unknown[] =
    typeof value === 'string' ? value.split(' ') : Array.isArray(value) ? value : [];
  const [left, right] = parts;
  if (parts.length !== 2 || typeof left !== 'string' || typeof right !== 'string') {
    throw badField(thing, 'two tokens', value);
  }
  const ids = [left, right, left + right].map((token) => idOfToken.get(token));
  const [leftId, rightId, wholeId] = ids;
  if (leftId === undefined || rightId === undefined || wholeId === undefined) {
    throw badField(thing, 'tokens of the vocabulary, alone and together', `${left} ${right}`);
  }
  return [leftId, rightId, wholeId];
}

function readUnknownToken(
  value: unknown,
  idOfToken: ReadonlyMap<string, number>,
  thing: string,
): number | null {
  if (value === undefined || value === null) return null;
  const id = idOfToken.get(asString(value, thing));
  if (id === undefined) throw badField(thing, 'a token of the vocabulary', value);
  return id;
}

interface UnknownRules {
  readonly idOfToken: ReadonlyMap<string, number>;
  readonly byteFallback: boolean;
  /** Neighbouring unknown characters share one id. */
  readonly fuseUnknown: boolean;
  /** null: characters without a token are dropped. */
  readonly unknownId: number | null;
}

const encoder = new TextEncoder();

/**
 * Ids of single characters, or of the tokens that Unigram found.
 * Rust's order, oddity included: an unknown character waits for the next known token or the end, and bytes overtake it.
 * Source: merge_word in tokenizers/src/models/bpe/model.rs.
 */
function mapTokens(tokens: Iterable<string>, rules: UnknownRules): number[] {
  const { idOfToken, fuseUnknown, unknownId } = rules;
  const ids: number[] = [];
  let waiting = false;
  const takeWaiting = (): void => {
    if (waiting && unknownId !== null) ids.push(unknownId);
    waiting = false;
  };
  for (const token of tokens) {
    const id = idOfToken.get(token);
    if (id !== undefined) {
      takeWaiting();
      ids.push(id);
      continue;
    }
    const bytes = byteIds(token, rules);
    if (bytes !== null) {
      ids.push(...bytes);
      continue;
    }
    if (!fuseUnknown) takeWaiting();
    waiting = true;
  }
  takeWaiting();
  return ids;
}

/** A character as its UTF-8 bytes <0xC3> <0xA9>; null when the vocabulary lacks one of them. */
function byteIds(token: string, rules: UnknownRules): number[] | null {
  if (!rules.byteFallback) return null;
  const ids: number[] = [];
  for (const byte of encoder.encode(token)) {
    const id = rules.idOfToken.get(`<0x${byte.toString(16).toUpperCase().padStart(2, '0')}>`);
    if (id === undefined) return null;
    ids.push(id);
  }
  return ids;
}

function readUnigram(config: JsonObject, control: ReadonlySet<string>, thing: string): TokenModel {
  const idOfToken = new Map<string, number>();
  const vocabulary = asList(config['vocab'], `${thing}.vocab`).map((entry, id): [string, number] => {
    const [token, score] = Array.isArray(entry) ? (entry as readonly unknown[]) : [];
    if (typeof token !== 'string' || typeof score !== 'number') {
      throw badField(`${thing}.vocab[${id}]`, '[token, score]', entry);
    }
    idOfToken.set(token, id);
    return [token, score];
  });
  if (vocabulary.length === 0) throw badField(`${thing}.vocab`, 'at least one token', config['vocab']);
  const unknownId =
    config['unk_id'] === null || config['unk_id'] === undefined
      ? null
      : asTokenId(config['unk_id'], `${thing}.unk_id`);
  if (unknownId !== null && unknownId >= vocabulary.length) {
    throw badField(`${thing}.unk_id`, `an id below ${vocabulary.length}`, config['unk_id']);
  }
  const rules: UnknownRules = {
    idOfToken,
    byteFallback: asBoolean(config['byte_fallback'], false, `${thing}.byte_fallback`),
    fuseUnknown: true,
    unknownId,
  };
  const unigram = new Unigram(
    {
      type: 'Unigram',
      // Control tokens keep their place and lose their spelling: half a surrogate pair is in no well-formed text.
      vocab: vocabulary.map(([token, score], id) => [control.has(token) ? `\uD800${id}` : token, score]),
      unk_id: unknownId ?? 0,
    },
    '',
  );
  // tokenize() and not encode(), which passes all tokens as arguments and overflows the stack beyond 100,000.
  const encode = (piece: string): readonly number[] => mapTokens(unigram.tokenize(piece), rules);
  return { type: 'Unigram', idOfToken, encode };
}

/** Tokens of the model by id, holes included. */
export function tokensById(model: TokenModel): (string | undefined)[] {
  const tokens: (string | undefined)[] = [];
  for (const [token, id] of model.idOfToken) tokens[id] = token;
  return tokens;
}

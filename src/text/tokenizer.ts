import { AddedTokens, isControlToken, readAddedToken, readAddedTokens } from './added_tokens.ts';
import type { AddedToken, PlainRange } from './added_tokens.ts';
import { isObject, asObject, badField } from './json_fields.ts';
import type { JsonObject } from './json_fields.ts';
import { readNormalizer } from './normalizer.ts';
import { readPostProcessor } from './post_processor.ts';
import type { AddedIds } from './post_processor.ts';
import { readPreTokenizer } from './pre_tokenizer.ts';
import { readDecoder } from './token_decoder.ts';
import { readTokenModel, tokensById } from './token_model.ts';
import type { TokenModel, TokenModelType } from './token_model.ts';

/** The two files as parsed JSON; for a GGUF file, tokenizerFromGguf makes them. */
export interface TokenizerFiles {
  readonly tokenizerJson: unknown;
  /** {} when there is no tokenizer_config.json. */
  readonly tokenizerConfig: Readonly<Record<string, unknown>>;
}

/**
 * 'parse': control tokens written in the text become their ids, as Hugging Face does by default.
 * 'plain': the text is only text; an injected <|im_end|> is spelled out in ordinary tokens. Added tokens that are mere
 * words or white space (see isControlToken) still count: without them ordinary text would get other ids than the model knows.
 */
export type SpecialTokens = 'parse' | 'plain';

/** A text with parts from different hands: the template's, where tokens are parsed, and the user's, where they are not. */
export interface TextPiece {
  readonly text: string;
  readonly specialTokens: SpecialTokens;
}

export interface DecodeOptions {
  readonly skipSpecialTokens: boolean;
}

export interface IdDecoding {
  /** @returns the text that this token finishes, often '' */
  push(id: number): string;
  /** @returns what was held back; nothing may be pushed after it */
  end(): string;
}

export interface Tokenizer {
  readonly type: TokenModelType;
  /** Ids that have a token, added ones included. The model's embedding may have more rows. */
  readonly vocabSize: number;
  readonly bosToken: string | null;
  readonly eosToken: string | null;
  readonly bosTokenId: number | null;
  /** [] when the files name none. generation_config.json may name more. */
  readonly eosTokenIds: readonly number[];
  /** Ids that decode leaves out with skipSpecialTokens. */
  readonly specialIds: ReadonlySet<number>;
  /** Texts of the tokens that 'plain' spells out; what a chat template must mark in messages. */
  readonly controlTokens: readonly string[];
  /**
   * Ids of a text. Half a surrogate pair counts as U+FFFD, as in UTF-8.
   * @param options.addSpecialTokens whether the model's own first and last tokens are added (not to the text of a chat
   *   template, which writes them itself)
   */
  encode(
    text: string,
    options: { readonly specialTokens: SpecialTokens; readonly addSpecialTokens: boolean },
  ): number[];
  /** The same for a text in pieces. It is one text: a word may go across pieces, a control token may not. */
  encodePieces(pieces: readonly TextPiece[], options: { readonly addSpecialTokens: boolean }): number[];
  /** Text of ids. Ids without a token are left out. */
  decode(ids: Iterable<number>, options: DecodeOptions): string;
  /** The same one by one; TextStream is made of it. */
  startDecoding(options: DecodeOptions): IdDecoding;
  /** A token as the vocabulary spells it ('Ġthe', '<0x0A>'), undefined for an id without one. */
  token(id: number): string | undefined;
}

/**
 * A tokenizer.json as Hugging Face's Rust `tokenizers` would run it: same ids, same text. Unigram's search and the
 * translation of regular expressions are those of @huggingface/tokenizers; the other steps are ours, because the library
 * takes short cuts there (docstrings of the files in this folder say which). Text differs from Rust's in two places, on
 * purpose: token_decoder.ts on broken byte tokens, and skipSpecialTokens goes by id, so that it also leaves out special
 * tokens with normalized: true, which Rust looks for in another spelling and shows. As in transformers 5, clean_up_tokenization_spaces
 * is not obeyed: it would eat spaces before punctuation.
 * @throws bad_file for a damaged file, unsupported for a part that is not implemented; both name the place
 */
export function createTokenizer(files: TokenizerFiles): Tokenizer {
  const json = asObject(files.tokenizerJson, 'tokenizer.json');
  const config = asObject(files.tokenizerConfig, 'tokenizer_config.json');
  if (!isObject(json['model'])) throw badField('tokenizer.json: model', 'an object', json['model']);
  const declared = readAddedTokens(json['added_tokens']);
  const unmarked = declared.concat(tokensOfConfig(config, declared));
  const control = new Set(unmarked.filter((token) => isControlToken(token)).map((token) => token.content));
  for (const name of namedSpecialTokens(config)) control.add(name);
  const model = readTokenModel(json['model'], control);
  const added = markSpecial(unmarked, namedSpecialTokens(config), model);
  return assembleTokenizer(json, config, model, added);
}

function assembleTokenizer(
  json: JsonObject,
  config: JsonObject,
  model: TokenModel,
  added: readonly AddedToken[],
): Tokenizer {
  const normalize = readNormalizer(json['normalizer']);
  const preTokenize = readPreTokenizer(json['pre_tokenizer']);
  const newDecoding = readDecoder(json['decoder']);
  const addedTokens = new AddedTokens(added, normalize);
  const tokens = tokensById(model);
  // The decoder gets normalized tokens in their normalized spelling, and undoes it: '▁<|start_story|>'.
  const decoded = [...tokens];
  for (const token of added) {
    tokens[token.id] = token.content;
    decoded[token.id] = (token.normalized ? normalize?.(token.content) : undefined) ?? token.content;
  }
  const idOf = (name: string | null): number | null =>
    name === null
      ? null
      : (added.find((token) => token.content === name)?.id ?? model.idOfToken.get(name) ?? null);
  const bosToken = tokenText(config['bos_token']);
  const eosToken = tokenText(config['eos_token']);
  const specialIds = new Set(added.filter((token) => token.special).map((token) => token.id));
  const around = addedIds(readPostProcessor(json['post_processor']), config, idOf(bosToken), idOf(eosToken));

  const encodeRanges = (text: string, plain: readonly PlainRange[], addSpecialTokens: boolean): number[] => {
    const ids: number[] = addSpecialTokens ? [...around.before] : [];
    for (const section of addedTokens.split(text, plain)) {
      if (typeof section === 'number') {
        ids.push(section);
        continue;
      }
      for (const piece of preTokenize([section])) {
        for (const id of model.encode(piece.text)) ids.push(id);
      }
    }
    if (addSpecialTokens) ids.push(...around.after);
    return ids;
  };
  const startDecoding = ({ skipSpecialTokens }: DecodeOptions): IdDecoding => {
    const decoding = newDecoding();
    return {
      push: (id) => {
        const token = decoded[id];
        return token === undefined || (skipSpecialTokens && specialIds.has(id)) ? '' : decoding.push(token);
      },
      end: () => decoding.end(),
    };
  };

  return {
    type: model.type,
    vocabSize: new Set([...model.idOfToken.values(), ...added.map((token) => token.id)]).size,
    bosToken,
    eosToken,
    bosTokenId: idOf(bosToken),
    eosTokenIds: [...new Set(eosNames(config).flatMap((name) => idOf(name) ?? []))],
    specialIds,
    controlTokens: added.filter((token) => isControlToken(token)).map((token) => token.content),
    encode: (text, { specialTokens, addSpecialTokens }) => {
      const wellFormed = text.toWellFormed();
      const plain = specialTokens === 'plain' ? [{ start: 0, end: wellFormed.length }] : [];
      return encodeRanges(wellFormed, plain, addSpecialTokens);
    },
    encodePieces: (pieces, { addSpecialTokens }) => {
      let text = '';
      const plain: PlainRange[] = [];
      for (const piece of pieces) {
        const start = text.length;
        text += piece.text.toWellFormed();
        if (piece.specialTokens === 'plain' && start < text.length) plain.push({ start, end: text.length });
      }
      return encodeRanges(text, plain, addSpecialTokens);
    },
    decode: (ids, options) => {
      const decoding = startDecoding(options);
      let text = '';
      for (const id of ids) text += decoding.push(id);
      return text + decoding.end();
    },
    startDecoding,
    token: (id) => tokens[id],
  };
}

/** 'text' or {content: 'text'}; null when the file does not name the token. */
function tokenText(value: unknown): string | null {
  if (typeof value === 'string') return value;
  return isObject(value) && typeof value['content'] === 'string' ? value['content'] : null;
}

const NAMED = ['bos_token', 'eos_token', 'unk_token', 'sep_token', 'pad_token', 'cls_token', 'mask_token'];

/** Tokens that tokenizer_config.json calls special by giving them a role, as transformers does. */
function namedSpecialTokens(config: JsonObject): string[] {
  const lists = [config['additional_special_tokens'], config['extra_special_tokens'], eosNames(config)];
  return NAMED.map((name) => config[name])
    .concat(
      lists.flatMap((list): unknown[] =>
        isObject(list) ? Object.values(list) : Array.isArray(list) ? list : [],
      ),
    )
    .map(tokenText)
    .filter((name) => name !== null);
}

/** eos_token, and `end_tokens`, our own field for the other tokens that end a turn (tokenizerFromGguf writes it). */
function eosNames(config: JsonObject): string[] {
  const others: unknown[] = Array.isArray(config['end_tokens']) ? config['end_tokens'] : [];
  return [config['eos_token'], ...others].map(tokenText).filter((name) => name !== null);
}

/** Tokens that only tokenizer_config.json lists; transformers adds them too. */
function tokensOfConfig(config: JsonObject, declared: readonly AddedToken[]): AddedToken[] {
  const listed = config['added_tokens_decoder'];
  if (!isObject(listed)) return [];
  const known = new Set(declared.map((token) => token.content));
  return Object.entries(listed)
    .map(([id, token]) =>
      readAddedToken(
        isObject(token) ? { ...token, id: Number(id) } : token,
        `tokenizer_config.json: added_tokens_decoder["${id}"]`,
      ),
    )
    .filter((token) => !known.has(token.content));
}

/** Gives the model's own id to tokens that it knows, and makes the tokens with a role special. */
function markSpecial(
  tokens: readonly AddedToken[],
  named: readonly string[],
  model: TokenModel,
): AddedToken[] {
  const names = new Set(named);
  const marked = tokens
    .filter((token) => token.content !== '')
    .map((token) => ({
      ...token,
      id: model.idOfToken.get(token.content) ?? token.id,
      special: token.special || names.has(token.content),
    }));
  for (const token of tokens) names.delete(token.content);
  for (const content of names) {
    const id = model.idOfToken.get(content);
    if (id === undefined) continue;
    marked.push({
      id,
      content,
      single_word: false,
      lstrip: false,
      rstrip: false,
      normalized: false,
      special: true,
    });
  }
  return marked;
}

/**
 * What the post-processor adds; where it adds nothing, what add_bos_token and add_eos_token ask for. (DeepSeek-V2 and V3:
 * the flag is true and the post-processor empty. transformers 4 followed the flag, transformers 5 does not.)
 */
function addedIds(
  processor: AddedIds,
  config: JsonObject,
  bosTokenId: number | null,
  eosTokenId: number | null,
): AddedIds {
  if (processor.before.length > 0 || processor.after.length > 0) return processor;
  return {
    before: config['add_bos_token'] === true && bosTokenId !== null ? [bosTokenId] : [],
    after: config['add_eos_token'] === true && eosTokenId !== null ? [eosTokenId] : [],
  };
}

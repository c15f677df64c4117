import { WebMlaError } from '../core/errors.ts';
import { ggufPreTokenizer } from './gguf_pre_tokenizers.ts';
import { asBoolean, asList, asString, asTokenId, badField, unsupportedField } from './json_fields.ts';
import type { JsonObject } from './json_fields.ts';
import { mergesFromScores } from './spm_merges.ts';
import type { TokenizerFiles } from './tokenizer.ts';

/** Values of `tokenizer.ggml.token_type`: enum llama_token_type of llama.h. */
const NORMAL = 1;
const UNKNOWN = 2;
const CONTROL = 3;
const USER_DEFINED = 4;
const BYTE = 6;

/** Control tokens that end a turn or a text; llama.cpp knows them by these names too, since the metadata rarely does. */
const END_TOKENS: readonly string[] = [
  '<|eot_id|>',
  '<|eom_id|>',
  '<|im_end|>',
  '<|end|>',
  '<|return|>',
  '<|call|>',
  '<end_of_turn>',
  '<|endoftext|>',
  '<|end_of_text|>',
  '<EOT>',
  '[EOT]',
  '[EOS]',
  '<end_of_utterance>',
  '<｜end▁of▁sentence｜>',
];

interface Vocabulary {
  readonly tokens: readonly string[];
  /** Token types by id; NORMAL for all when the file has none. */
  readonly types: readonly number[];
}

/**
 * The tokenizer that a GGUF file describes in its metadata, as the two files that createTokenizer reads.
 * `tokenizer.ggml.model` 'gpt2' is byte-level BPE, whose pre-tokenizer is named by `tokenizer.ggml.pre`; 'llama' is
 * SentencePiece BPE. `tokenizer.chat_template` becomes `chat_template`.
 * @param metadata all keys of the file; numbers may be bigints
 * @throws missing_file without a tokenizer, bad_file for damaged metadata, unsupported for another model or an unknown pre
 */
export function tokenizerFromGguf(metadata: JsonObject): TokenizerFiles {
  const model = metadata['tokenizer.ggml.model'];
  if (model === undefined || model === 'no_vocab') {
    throw new WebMlaError(
      'missing_file',
      `GGUF metadata: expected tokenizer.ggml.model, got ${model === undefined ? 'nothing' : "'no_vocab'"}`,
      'The file holds no tokenizer. Give token ids, or use a file that has one.',
    );
  }
  const vocabulary = readVocabulary(metadata);
  if (model === 'gpt2') return byteLevelFiles(metadata, vocabulary);
  if (model === 'llama') return sentencePieceFiles(metadata, vocabulary);
  throw unsupportedField('GGUF metadata: tokenizer.ggml.model', "'gpt2' or 'llama'", model);
}

function readVocabulary(metadata: JsonObject): Vocabulary {
  const key = 'GGUF metadata: tokenizer.ggml.tokens';
  // llama.cpp names empty tokens so too: they are padding, and may occur often.
  const tokens = asList(metadata['tokenizer.ggml.tokens'], key).map(
    (token, id) => asString(token, key) || `[EMPTY_${id}]`,
  );
  const types = numberList(metadata, 'token_type', tokens.length) ?? tokens.map(() => NORMAL);
  return { tokens, types };
}

/** A list with a number for each token, or undefined when the file has none. */
function numberList(metadata: JsonObject, name: string, count: number): number[] | undefined {
  const key = `GGUF metadata: tokenizer.ggml.${name}`;
  const value = metadata[`tokenizer.ggml.${name}`];
  if (value === undefined) return undefined;
  const list = asList(value, key);
  if (list.length < count) throw badField(key, `${count} numbers`, list);
  return list.map((entry, id) => {
    const number = typeof entry === 'bigint' ? Number(entry) : entry;
    if (typeof number !== 'number' || Number.isNaN(number))
      throw badField(`${key}[${id}]`, 'a number', entry);
    return number;
  });
}

function byteLevelFiles(metadata: JsonObject, vocabulary: Vocabulary): TokenizerFiles {
  const name = metadata['tokenizer.ggml.pre'] ?? 'default';
  const pre = typeof name === 'string' ? ggufPreTokenizer(name) : undefined;
  if (pre === undefined) {
    throw unsupportedField(
      'GGUF metadata: tokenizer.ggml.pre',
      'a pre-tokenizer that webmla knows (smollm, llama-bpe, qwen2, gpt-2, deepseek-v3, ...)',
      name,
    );
  }
  const byteLevel = { type: 'ByteLevel', add_prefix_space: false, trim_offsets: true, use_regex: false };
  return assembleFiles(metadata, vocabulary, pre.addBos, {
    normalizer: pre.normalizer === null ? null : { type: pre.normalizer },
    pre_tokenizer: {
      type: 'Sequence',
      pretokenizers: [
        ...pre.splits.map((regex) => ({
          type: 'Split',
          pattern: { Regex: regex },
          behavior: 'Isolated',
          invert: false,
        })),
        byteLevel,
      ],
    },
    decoder: byteLevel,
    model: {
      type: 'BPE',
      unk_token: null,
      fuse_unk: false,
      byte_fallback: false,
      ignore_merges: pre.ignoreMerges,
      vocab: vocabOf(vocabulary),
      merges: asList(metadata['tokenizer.ggml.merges'], 'GGUF metadata: tokenizer.ggml.merges'),
    },
  });
}

function sentencePieceFiles(metadata: JsonObject, vocabulary: Vocabulary): TokenizerFiles {
  const { tokens, types } = vocabulary;
  const addsSpace = asBoolean(
    metadata['tokenizer.ggml.add_space_prefix'],
    true,
    'GGUF metadata: tokenizer.ggml.add_space_prefix',
  );
  const spaces = { type: 'Replace', pattern: { String: ' ' }, content: '▁' };
  const toSpaces = { type: 'Replace', pattern: { String: '▁' }, content: ' ' };
  const unknown = tokenAt(metadata, 'unknown_token_id', tokens, types.indexOf(UNKNOWN));
  return assembleFiles(metadata, vocabulary, true, {
    normalizer: addsSpace
      ? { type: 'Sequence', normalizers: [{ type: 'Prepend', prepend: '▁' }, spaces] }
      : spaces,
    pre_tokenizer: null,
    decoder: {
      type: 'Sequence',
      decoders: [
        toSpaces,
        { type: 'ByteFallback' },
        { type: 'Fuse' },
        ...(addsSpace ? [{ type: 'Strip', content: ' ', start: 1, stop: 0 }] : []),
      ],
    },
    model: {
      type: 'BPE',
      unk_token: unknown,
      fuse_unk: true,
      byte_fallback: true,
      ignore_merges: false,
      vocab: vocabOf(vocabulary),
      merges: metadata['tokenizer.ggml.merges'] ?? readMerges(metadata, vocabulary),
    },
  });
}

function readMerges(metadata: JsonObject, { tokens, types }: Vocabulary): [string, string][] {
  const scores = numberList(metadata, 'scores', tokens.length);
  if (scores === undefined) throw badField('GGUF metadata: tokenizer.ggml.scores', 'a list', undefined);
  return mergesFromScores(
    tokens
      .map((text, id) => ({ text, id, score: scores[id] ?? 0, type: types[id] }))
      .filter(({ type }) => type !== UNKNOWN && type !== CONTROL && type !== BYTE),
  );
}

/** @throws bad_file for a token that occurs twice */
function vocabOf({ tokens }: Vocabulary): Record<string, number> {
  const vocab = Object.fromEntries(tokens.map((token, id): [string, number] => [token, id]));
  if (Object.keys(vocab).length !== tokens.length) {
    const twice = tokens.find((token, id) => vocab[token] !== id);
    throw badField('GGUF metadata: tokenizer.ggml.tokens', 'each token once', twice);
  }
  return vocab;
}

function assembleFiles(
  metadata: JsonObject,
  { tokens, types }: Vocabulary,
  addBosByDefault: boolean,
  parts: JsonObject,
): TokenizerFiles {
  const flag = (name: string, fallback: boolean): boolean =>
    asBoolean(metadata[`tokenizer.ggml.${name}`], fallback, `GGUF metadata: tokenizer.ggml.${name}`);
  const bos = tokenAt(metadata, 'bos_token_id', tokens);
  const eos = tokenAt(metadata, 'eos_token_id', tokens);
  const turnEnds = [tokenAt(metadata, 'eot_token_id', tokens), tokenAt(metadata, 'eom_token_id', tokens)];
  const isControl = new Set(tokens.filter((_, id) => types[id] === CONTROL));
  const template = metadata['tokenizer.chat_template'];
  return {
    tokenizerJson: {
      version: '1.0',
      truncation: null,
      padding: null,
      added_tokens: tokens.flatMap((content, id) => {
        const type = types[id];
        if (type !== CONTROL && type !== UNKNOWN && type !== USER_DEFINED) return [];
        return [
          {
            id,
            content,
            single_word: false,
            lstrip: false,
            rstrip: false,
            normalized: false,
            special: type !== USER_DEFINED,
          },
        ];
      }),
      // createTokenizer adds first and last tokens by the flags below.
      post_processor: null,
      ...parts,
    },
    tokenizerConfig: {
      add_bos_token: flag('add_bos_token', addBosByDefault),
      add_eos_token: flag('add_eos_token', false),
      bos_token: bos,
      eos_token: eos,
      unk_token: tokenAt(metadata, 'unknown_token_id', tokens),
      pad_token: tokenAt(metadata, 'padding_token_id', tokens),
      end_tokens: [...turnEnds, ...END_TOKENS.filter((token) => isControl.has(token))].filter(
        (token) => token !== null,
      ),
      clean_up_tokenization_spaces: false,
      ...(typeof template === 'string' ? { chat_template: template } : {}),
    },
  };
}

/** The token that a key names by its id; null when the file has no such key, or names -1. */
function tokenAt(
  metadata: JsonObject,
  name: string,
  tokens: readonly string[],
  fallback = -1,
): string | null {
  const key = `GGUF metadata: tokenizer.ggml.${name}`;
  const value = metadata[`tokenizer.ggml.${name}`] ?? fallback;
  if (value === -1 || value === 0xffff_ffff) return null;
  const token = tokens[asTokenId(value, key)];
  if (token === undefined) throw badField(key, `an id below ${tokens.length}`, value);
  return token;
}

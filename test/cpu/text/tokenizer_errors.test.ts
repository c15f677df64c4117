import * as fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import { WebMlaError } from '../../../src/core/errors.ts';
import { createTokenizer } from '../../../src/text/tokenizer.ts';
import { familyJson, familyNames } from './golden_tokenizers.ts';

function create(tokenizerJson: unknown): unknown {
  return createTokenizer({ tokenizerJson, tokenizerConfig: {} });
}

const model = { type: 'BPE', vocab: { a: 0, b: 1, ab: 2 }, merges: ['a b'] };

describe('a damaged file is named', () => {
  test.each([
    [null, 'tokenizer.json: expected an object, got null'],
    [[], 'tokenizer.json: expected an object, got a list of 0'],
    ['{}', 'tokenizer.json: expected an object, got "{}"'],
    [{}, 'tokenizer.json: model: expected an object, got nothing'],
    [{ model: 3 }, 'tokenizer.json: model: expected an object, got 3'],
    [{ model: { type: 'BPE' } }, 'tokenizer.json: model.vocab: expected an object, got nothing'],
    [
      { model: { ...model, vocab: { a: 'x' } } },
      'model.vocab["a"]: expected a token id (0 to 16777216), got "x"',
    ],
    [{ model: { ...model, vocab: { a: -1 } } }, 'expected a token id (0 to 16777216), got -1'],
    [{ model: { ...model, vocab: { a: 2 ** 32 } } }, 'got 4294967296'],
    [{ model: { ...model, merges: ['a'] } }, 'model.merges[0]: expected two tokens, got "a"'],
    [
      { model: { ...model, merges: ['a c'] } },
      'expected tokens of the vocabulary, alone and together, got "a c"',
    ],
    [{ model: { ...model, merges: 'a b' } }, 'model.merges: expected a list, got "a b"'],
    [{ model: { ...model, unk_token: '<unk>' } }, 'expected a token of the vocabulary, got "<unk>"'],
    [{ model: { type: 'Unigram', vocab: [] } }, 'expected at least one token, got a list of 0'],
    [{ model: { type: 'Unigram', vocab: [['a']] } }, 'expected [token, score], got a list of 1'],
    [{ model: { type: 'Unigram', vocab: [['a', 0]], unk_id: 1 } }, 'expected an id below 1, got 1'],
    [
      { model, added_tokens: [{ content: 'x' }] },
      'added_tokens[0].id: expected a token id (0 to 16777216), got nothing',
    ],
    [{ model, added_tokens: {} }, 'added_tokens: expected a list, got an object'],
    [{ model, normalizer: { type: 'Replace', content: '' } }, 'expected {String} or {Regex}, got nothing'],
    [
      { model, pre_tokenizer: { type: 'Split', pattern: { String: 'a' }, behavior: 'Sideways' } },
      'expected one of the five split behaviours, got "Sideways"',
    ],
    [{ model, post_processor: { type: 'TemplateProcessing' } }, 'post_processor.single: expected a list'],
    [{ model, decoder: 'ByteLevel' }, 'decoder: expected an object, got "ByteLevel"'],
  ])('%j', (json, message) => {
    expect(() => create(json)).toThrow(
      expect.objectContaining({ code: 'bad_file', message: expect.stringContaining(message) }),
    );
  });

  test('tokenizer_config.json must be an object', () => {
    // @ts-expect-error -- a file may hold anything
    expect(() => createTokenizer({ tokenizerJson: { model }, tokenizerConfig: [] })).toThrow(
      expect.objectContaining({ code: 'bad_file' }),
    );
  });
});

describe('a sound file with something else in it is unsupported', () => {
  test.each([
    [{ model: { ...model, type: 'WordPiece' } }, `model.type: expected 'BPE' or 'Unigram', got "WordPiece"`],
    [{ model: { vocab: {} } }, `model.type: expected 'BPE' or 'Unigram', got nothing`],
    [{ model: { ...model, end_of_word_suffix: '</w>' } }, 'end_of_word_suffix: expected none, got "</w>"'],
    [{ model, normalizer: { type: 'Precompiled' } }, 'normalizer.type: expected'],
    [{ model, normalizer: { type: 'Sequence', normalizers: [{ type: 'Nmt' }] } }, 'normalizers[0].type'],
    [{ model, pre_tokenizer: { type: 'UnicodeScripts' } }, 'got "UnicodeScripts"'],
    [{ model, post_processor: { type: 'Later' } }, 'got "Later"'],
    [{ model, decoder: { type: 'CTC' } }, 'got "CTC"'],
    [
      { model, decoder: { type: 'Sequence', decoders: [{ type: 'Fuse' }, { type: 'ByteFallback' }] } },
      'only Strip and one-character Replace behind Fuse or ByteLevel',
    ],
    [
      {
        model,
        pre_tokenizer: { type: 'Split', pattern: { Regex: '(a' }, behavior: 'Isolated', invert: false },
      },
      'expected an expression that JavaScript can run, got "(a"',
    ],
  ])('%j', (json, message) => {
    expect(() => create(json)).toThrow(
      expect.objectContaining({ code: 'unsupported', message: expect.stringContaining(message) }),
    );
  });
});

test('any part of a file may be any JSON: a typed error or a tokenizer that works', () => {
  const keys = ['model', 'added_tokens', 'normalizer', 'pre_tokenizer', 'post_processor', 'decoder'];
  const paths = familyNames.flatMap((name) => keys.map((key) => [name, key] as const));
  fc.assert(
    fc.property(
      fc.constantFrom(...paths),
      fc.jsonValue(),
      fc.nat(),
      fc.string(),
      ([name, key], value, seed, text) => {
        const json = structuredClone(familyJson(name));
        replaceSomewhere(json, key, value, seed);
        try {
          const tokenizer = createTokenizer({ tokenizerJson: json, tokenizerConfig: {} });
          const ids = tokenizer.encode(text, { specialTokens: 'parse', addSpecialTokens: true });
          tokenizer.decode(ids, { skipSpecialTokens: false });
        } catch (error) {
          if (!(error instanceof WebMlaError)) throw error;
          expect(['bad_file', 'unsupported']).toContain(error.code);
          expect(error.hint).not.toBe('');
        }
      },
    ),
    { numRuns: 2_000 },
  );
});

/** Puts the value at a place below the key that the seed chooses. */
function replaceSomewhere(json: object, key: string, value: unknown, seed: number): void {
  let parent = json;
  let name = key;
  for (let rest = seed; rest % 3 !== 0; rest = Math.floor(rest / 7)) {
    const child: unknown = Reflect.get(parent, name);
    if (typeof child !== 'object' || child === null) break;
    const names = Object.keys(child);
    if (names.length === 0) break;
    parent = child;
    name = names[rest % names.length]!;
  }
  Reflect.set(parent, name, value);
}

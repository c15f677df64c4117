import * as fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import { WebMlaError } from '../../../src/core/errors.ts';
import { tokenizerFromGguf } from '../../../src/text/gguf_vocabulary.ts';
import { mergesFromScores } from '../../../src/text/spm_merges.ts';
import { createTokenizer } from '../../../src/text/tokenizer.ts';
import type { Tokenizer } from '../../../src/text/tokenizer.ts';
import {
  digests,
  familyMerges,
  familyTokenizer,
  familyTokens,
  goldens,
  numbers,
  randomTexts,
} from './golden_tokenizers.ts';

const NORMAL = 1;
const UNKNOWN = 2;
const CONTROL = 3;
const USER_DEFINED = 4;
const BYTE = 6;

/** Metadata of a GGUF file that holds a family's vocabulary. */
function metadataOf(family: string, more: Record<string, unknown>): Record<string, unknown> {
  const { added_tokens: added } = goldens.families[family]!;
  const tokens = familyTokens(family);
  for (const { id, content } of added) tokens[id] = content;
  const types: number[] = tokens.map((token) => (/^<0x..>$/.test(token) ? BYTE : NORMAL));
  for (const { id, special } of added) types[id] = special ? CONTROL : USER_DEFINED;
  return {
    'tokenizer.ggml.tokens': tokens,
    'tokenizer.ggml.token_type': types,
    'tokenizer.ggml.merges': familyMerges(family),
    ...more,
  };
}

function fromGguf(metadata: Record<string, unknown>): Tokenizer {
  return createTokenizer(tokenizerFromGguf(metadata));
}

describe('byte-level vocabularies give the ids of their tokenizer.json', () => {
  test.each([
    ['smollm', 'smollm', false],
    ['qwen2', 'qwen2', false],
    ['llama3', 'llama-bpe', true],
  ])('%s', (family, pre, addsBos) => {
    const tokenizer = fromGguf(
      metadataOf(family, {
        'tokenizer.ggml.model': 'gpt2',
        'tokenizer.ggml.pre': pre,
        // llama.cpp's default for llama-bpe, so it need not be said.
        ...(addsBos
          ? { 'tokenizer.ggml.bos_token_id': familyTokenizer(family).specialIds.values().next().value }
          : {}),
      }),
    );
    expect(digests(tokenizer, randomTexts)).toEqual(numbers(goldens.families[family]!.random));
  });
});

test('a SentencePiece vocabulary with merges gives the ids of its tokenizer.json', () => {
  const tokenizer = fromGguf(
    metadataOf('llama2', { 'tokenizer.ggml.model': 'llama', 'tokenizer.ggml.bos_token_id': 1n }),
  );
  expect(digests(tokenizer, randomTexts)).toEqual(numbers(goldens.families['llama2']!.random));
});

test('without add_space_prefix no space is put before the text, and none taken away', () => {
  const tokenizer = fromGguf(
    metadataOf('llama2', { 'tokenizer.ggml.model': 'llama', 'tokenizer.ggml.add_space_prefix': false }),
  );
  const encode = (text: string): (string | undefined)[] =>
    tokenizer
      .encode(text, { specialTokens: 'plain', addSpecialTokens: true })
      .map((id) => tokenizer.token(id));
  expect(encode('the fox')[0]).not.toMatch(/^▁/);
  expect(encode(' the fox')[0]).toMatch(/^▁/);
  const ids = tokenizer.encode(' the fox', { specialTokens: 'plain', addSpecialTokens: false });
  expect(tokenizer.decode(ids, { skipSpecialTokens: true })).toBe(' the fox');
});

describe('special tokens', () => {
  const tokens = ['<unk>', '<s>', '</s>', '<|im_end|>', '<|eot_id|>', 'a', 'tool'];
  const metadata = {
    'tokenizer.ggml.model': 'llama',
    'tokenizer.ggml.tokens': tokens,
    'tokenizer.ggml.scores': tokens.map(() => 0),
    'tokenizer.ggml.token_type': [UNKNOWN, CONTROL, CONTROL, CONTROL, NORMAL, NORMAL, USER_DEFINED],
    'tokenizer.ggml.bos_token_id': 1,
    'tokenizer.ggml.eos_token_id': 2,
    'tokenizer.chat_template': '{{ messages }}',
  };

  test('come from types and ids', () => {
    const tokenizer = fromGguf(metadata);
    expect([...tokenizer.specialIds].toSorted((a, b) => a - b)).toEqual([0, 1, 2, 3]);
    expect(tokenizer.controlTokens).not.toContain('tool');
    expect(tokenizer.bosToken).toBe('<s>');
    expect(tokenizer.encode('tool', { specialTokens: 'plain', addSpecialTokens: true })).toEqual([1, 6]);
    expect(tokenizerFromGguf(metadata).tokenizerConfig['chat_template']).toBe('{{ messages }}');
  });

  test('ends of turns are found by name when they are control tokens, and by their keys', () => {
    expect(fromGguf(metadata).eosTokenIds).toEqual([2, 3]);
    expect(fromGguf({ ...metadata, 'tokenizer.ggml.eot_token_id': 4n }).eosTokenIds).toEqual([2, 4, 3]);
  });

  test('add_bos_token is true by default for SentencePiece, and may be turned off', () => {
    const options = { specialTokens: 'parse', addSpecialTokens: true } as const;
    expect(fromGguf(metadata).encode('', options)).toEqual([1]);
    expect(fromGguf({ ...metadata, 'tokenizer.ggml.add_bos_token': false }).encode('', options)).toEqual([]);
    expect(fromGguf({ ...metadata, 'tokenizer.ggml.add_eos_token': true }).encode('', options)).toEqual([
      1, 2,
    ]);
  });
});

function scored(...list: [string, number][]): { text: string; id: number; score: number }[] {
  return list.map(([text, score], id) => ({ text, id, score }));
}

describe('merges from scores', () => {
  test('best score first; of one token all ways, the longer left part first', () => {
    // Checked against generate_merges of transformers 5.23.
    const tokens = scored(
      ['a', -9],
      ['b', -9],
      ['c', -9],
      ['ab', -2],
      ['bc', -1],
      ['abc', -3],
      ['x', -5],
      ['aa', -1],
    );
    expect(mergesFromScores(tokens)).toEqual([
      ['b', 'c'],
      ['a', 'a'],
      ['a', 'b'],
      ['ab', 'c'],
      ['a', 'bc'],
    ]);
  });

  test('lengths count characters, not UTF-16 units', () => {
    const tokens = scored(['😀', 0], ['ab', 0], ['a', 0], ['b', 0], ['😀ab', -1], ['😀a', -2]);
    expect(mergesFromScores(tokens)).toEqual([
      ['a', 'b'],
      ['😀a', 'b'],
      ['😀', 'ab'],
      ['😀', 'a'],
    ]);
  });
});

describe('damaged metadata', () => {
  const good = metadataOf('smollm', { 'tokenizer.ggml.model': 'gpt2', 'tokenizer.ggml.pre': 'smollm' });
  test.each([
    [{}, 'missing_file', 'expected tokenizer.ggml.model, got nothing'],
    [{ 'tokenizer.ggml.model': 'no_vocab' }, 'missing_file', "got 'no_vocab'"],
    [{ 'tokenizer.ggml.model': 't5', 'tokenizer.ggml.tokens': [] }, 'unsupported', 'got "t5"'],
    [{ ...good, 'tokenizer.ggml.tokens': 7 }, 'bad_file', 'tokenizer.ggml.tokens: expected a list, got 7'],
    [{ ...good, 'tokenizer.ggml.tokens': ['a', 7] }, 'bad_file', 'expected a string, got 7'],
    [{ ...good, 'tokenizer.ggml.tokens': ['a', 'a'] }, 'bad_file', 'expected each token once, got "a"'],
    [{ ...good, 'tokenizer.ggml.token_type': [1] }, 'bad_file', 'token_type: expected 423 numbers'],
    [{ ...good, 'tokenizer.ggml.bos_token_id': 423 }, 'bad_file', 'expected an id below 423, got 423'],
    [{ ...good, 'tokenizer.ggml.merges': undefined }, 'bad_file', 'merges: expected a list, got nothing'],
    [{ ...good, 'tokenizer.ggml.add_bos_token': 'yes' }, 'bad_file', 'expected true or false, got "yes"'],
    [
      { 'tokenizer.ggml.model': 'llama', 'tokenizer.ggml.tokens': ['a'] },
      'bad_file',
      'tokenizer.ggml.scores: expected a list, got nothing',
    ],
  ])('%#', (metadata, code, message) => {
    expect(() => tokenizerFromGguf(metadata)).toThrow(
      expect.objectContaining({ code, message: expect.stringContaining(message) }),
    );
  });

  test('any value under any key: a typed error or a tokenizer', () => {
    fc.assert(
      fc.property(fc.constantFrom(...Object.keys(good)), fc.jsonValue(), (key, value) => {
        try {
          createTokenizer(tokenizerFromGguf({ ...good, [key]: value }));
        } catch (error) {
          if (!(error instanceof WebMlaError)) throw error;
          expect(['bad_file', 'unsupported', 'missing_file']).toContain(error.code);
        }
      }),
      { numRuns: 300 },
    );
  });
});

import { describe, expect, test } from 'vitest';
import { bytesOfToken } from '../../../src/text/byte_alphabet.ts';
import { tokenizerFromGguf } from '../../../src/text/gguf_vocabulary.ts';
import { asObject } from '../../../src/text/json_fields.ts';
import type { JsonObject } from '../../../src/text/json_fields.ts';
import { readPreTokenizer } from '../../../src/text/pre_tokenizer.ts';

const TEXT = "I'LL getHTTPCode 12345.6 (été)\r\n\n  你好,世界!! ½ x=/a";

/** Pieces as Rust's pre_tokenize_str gives them for the same expressions (tokenizers 0.23.3). */
const PIECES: readonly (readonly [string, string])[] = [
  ['default', "I¦'¦LL¦ getHTTPCode¦ ¦123¦45¦.¦6¦ ¦(¦été¦)¦\r\n\n ¦ 你好¦,¦世界¦!!¦ ¦½¦ x¦=/¦a"],
  ['llama-bpe', "I¦'LL¦ getHTTPCode¦ ¦123¦45¦.¦6¦ (¦été¦)\r\n\n¦ ¦ 你好¦,世界¦!!¦ ¦½¦ x¦=/¦a"],
  ['qwen2', "I¦'LL¦ getHTTPCode¦ ¦1¦2¦3¦4¦5¦.¦6¦ (¦été¦)\r\n\n¦ ¦ 你好¦,世界¦!!¦ ¦½¦ x¦=/¦a"],
  ['seed-coder', "I¦'LL¦ getHTTPCode¦ ¦1¦2¦3¦4¦5¦.¦6¦ (¦été¦)¦\r\n\n¦ ¦ 你好¦,世界¦!!¦ ¦½¦ x¦=/¦a"],
  ['tekken', "I¦'LL¦ get¦HTTPCode¦ ¦1¦2¦3¦4¦5¦.¦6¦ (¦été¦)\r\n\n¦ ¦ 你好¦,世界¦!!¦ ¦½¦ x¦=/¦a"],
  ['gpt-4o', "I'LL¦ get¦HTTPCode¦ ¦123¦45¦.¦6¦ (¦été¦)\r\n\n¦ ¦ 你好¦,世界¦!!¦ ¦½¦ x¦=/¦a"],
  ['deepseek-v3', "I¦'LL¦ getHTTPCode¦ ¦123¦45¦.¦6¦ (¦été¦)\r\n\n¦  ¦你好¦,¦世界¦!!¦ ¦½¦ x¦=/¦a"],
  ['deepseek-llm', "I¦'¦LL¦ getHTTPCode¦ ¦12345¦.¦6¦ (¦é¦t¦é¦)¦\r¦\n¦\n¦  ¦你好¦,¦世界¦!!¦ ¦½¦ x¦=/¦a"],
  ['deepseek-coder', "I¦'¦LL¦ getHTTPCode¦ ¦1¦2¦3¦4¦5¦.¦6¦ (¦été¦)¦\r¦\n¦\n¦ ¦ ¦你好¦,¦世界¦!!¦ ¦½¦ x¦=¦/¦a"],
  ['smollm', "I¦'¦LL¦ getHTTPCode¦ ¦1¦2¦3¦4¦5¦.¦6¦ (¦été¦)¦\r\n\n ¦ 你好¦,¦世界¦!!¦ ¦½¦ x¦=/¦a"],
  ['gpt-2', "I¦'¦LL¦ getHTTPCode¦ 12345¦.¦6¦ (¦été¦)¦\r\n\n ¦ 你好¦,¦世界¦!!¦ ½¦ x¦=/¦a"],
  ['falcon', "I¦'¦LL¦ getHTTPCode¦ ¦123¦45¦.¦6¦ ¦(¦été¦)¦\r\n\n ¦ 你好¦,¦世界¦!!¦ ½¦ x¦=/¦a"],
];

const vocabulary = {
  'tokenizer.ggml.model': 'gpt2',
  'tokenizer.ggml.tokens': ['a'],
  'tokenizer.ggml.merges': [],
};

function filesFor(pre: string): JsonObject {
  return asObject(
    tokenizerFromGguf({ ...vocabulary, 'tokenizer.ggml.pre': pre }).tokenizerJson,
    'tokenizer.json',
  );
}

test.each(PIECES)('%s cuts as Rust does', (pre, pieces) => {
  const preTokenize = readPreTokenizer(filesFor(pre)['pre_tokenizer']);
  const decoder = new TextDecoder();
  const cut = preTokenize([{ text: TEXT, atStart: true }]).map((piece) =>
    decoder.decode(Uint8Array.from(Array.from(bytesOfToken(piece.text)))),
  );
  expect(cut.join('¦')).toBe(pieces);
});

test('names of one family mean the same', () => {
  expect(filesFor('starcoder')).toEqual(filesFor('smollm'));
  expect(filesFor('llama3')).toEqual(filesFor('llama-bpe'));
  expect(filesFor('phi-2')).toEqual(filesFor('gpt-2'));
});

describe('a name that is not in the table', () => {
  test('is unsupported', () => {
    expect(() => filesFor('next-year')).toThrow(
      expect.objectContaining({ code: 'unsupported', message: expect.stringContaining('got "next-year"') }),
    );
  });

  test('or default, when there is none', () => {
    expect(tokenizerFromGguf(vocabulary).tokenizerJson).toEqual(filesFor('default'));
  });
});

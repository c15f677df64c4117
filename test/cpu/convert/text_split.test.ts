import { readFileSync } from 'node:fs';
import { expect, test } from 'vitest';
import { WebMlaError } from '../../../src/core/errors.ts';
import { splitText } from '../../../src/runtime/text_split.ts';
import { createTokenizer } from '../../../src/text/tokenizer.ts';

const folder = new URL('../../../public/models/tiny-chat/', import.meta.url);
const json = (name: string): never => JSON.parse(readFileSync(new URL(name, folder), 'utf8')) as never;
const tokenizer = createTokenizer({
  tokenizerJson: json('tokenizer.json'),
  tokenizerConfig: json('tokenizer_config.json'),
});
const text = 'The cat sat on the mat and looked at the rain. '.repeat(200);

const lengths = (rows: readonly Uint32Array[]): number[] => [...new Set(rows.map(({ length }) => length))];

test('rows to calibrate on, and later ones to measure with', () => {
  const { rows, heldOut, rowTokens } = splitText(tokenizer, text, 1024, 4096);
  expect([rowTokens, rows.length, heldOut.length]).toEqual([256, 4, 1]);
  expect(lengths([...rows, ...heldOut])).toEqual([256]);
  const many = splitText(tokenizer, text, 1024, 64);
  expect([many.rowTokens, many.rows.length, many.heldOut.length]).toEqual([64, 16, 2]);
});

test('a text that is short for so many tokens is used up, in shorter rows', () => {
  const { rows, heldOut, rowTokens } = splitText(tokenizer, text, 32_768, 4096);
  expect([rows.length, heldOut.length]).toEqual([4, 1]);
  expect(rowTokens).toBeGreaterThan(256);
  const least = splitText(tokenizer, text.slice(0, 47 * 13), 32_768, 4096);
  expect([least.rowTokens, least.rows.length, least.heldOut.length]).toEqual([64, 1, 1]);
});

test.each(['', ' \n', 'Far too short.'])('%j is too short', (few) => {
  const split = (): unknown => splitText(tokenizer, few, 1024, 4096);
  expect(split).toThrow(WebMlaError);
  expect(split).toThrow(/at least two rows of 64 tokens/);
});

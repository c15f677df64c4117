import { readFileSync } from 'node:fs';
import path from 'node:path';
import * as fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import { TextStream } from '../../../src/text/text_stream.ts';
import { createTokenizer } from '../../../src/text/tokenizer.ts';
import type { Tokenizer } from '../../../src/text/tokenizer.ts';
import { modelTest } from '../../models.ts';
import { familyNames, familyTokenizer } from './golden_tokenizers.ts';

const HALF_PAIR = /\p{Surrogate}/u;

function idOf(tokenizer: Tokenizer, token: string): number {
  for (let id = 0; id < 1_000; id++) if (tokenizer.token(id) === token) return id;
  throw new Error(`no token ${token}`);
}

/** All pushes and the flush. */
function stream(tokenizer: Tokenizer, ids: readonly number[], skipSpecialTokens: boolean): string[] {
  const text = new TextStream(tokenizer, { skipSpecialTokens });
  return [...ids.map((id) => text.push(id)), text.flush()];
}

function checkStream(tokenizer: Tokenizer, ids: readonly number[]): void {
  for (const skipSpecialTokens of [true, false]) {
    const parts = stream(tokenizer, ids, skipSpecialTokens);
    expect(parts.join('')).toBe(tokenizer.decode(ids, { skipSpecialTokens }));
    for (const part of parts) expect(part).not.toMatch(HALF_PAIR);
    // What is given out for a beginning of the ids is a beginning of the whole text.
    const half = stream(tokenizer, ids.slice(0, ids.length >> 1), skipSpecialTokens).slice(0, -1);
    expect(parts.join('').startsWith(half.join(''))).toBe(true);
  }
}

describe.each(familyNames)('%s', (name) => {
  const tokenizer = familyTokenizer(name);

  test('pushes and flush together are decode, for random ids', () => {
    const id = fc.nat(tokenizer.vocabSize + 3);
    fc.assert(
      fc.property(fc.array(id, { maxLength: 40 }), (ids) => checkStream(tokenizer, ids)),
      { numRuns: 300 },
    );
  });

  test('and for the ids of texts', () => {
    fc.assert(
      fc.property(fc.string({ unit: 'grapheme', maxLength: 60 }), (text) =>
        checkStream(tokenizer, tokenizer.encode(text, { specialTokens: 'parse', addSpecialTokens: true })),
      ),
      { numRuns: 200 },
    );
  });
});

for (const folder of [
  'SmolLM2-135M-Instruct',
  'TinyStories-656K',
  'stories-tok105',
  'stories260K',
  'tiny-chat',
]) {
  modelTest(`${folder}: pushes and flush together are decode`, (dir) => {
    const tokenizer = createTokenizer({
      tokenizerJson: JSON.parse(readFileSync(path.join(dir, folder, 'tokenizer.json'), 'utf8')),
      tokenizerConfig: {},
    });
    const id = fc.nat(tokenizer.vocabSize + 3);
    fc.assert(
      fc.property(fc.array(id, { maxLength: 60 }), (ids) => checkStream(tokenizer, ids)),
      { numRuns: 500 },
    );
    fc.assert(
      fc.property(fc.string({ unit: 'grapheme' }), (text) =>
        checkStream(tokenizer, tokenizer.encode(text, { specialTokens: 'plain', addSpecialTokens: true })),
      ),
      { numRuns: 200 },
    );
  });
}

describe('characters', () => {
  test('a character in four byte-level tokens comes out with the last one', () => {
    const tokenizer = familyTokenizer('smollm');
    const ids = tokenizer.encode('a𠮷b', { specialTokens: 'plain', addSpecialTokens: false });
    expect(ids).toHaveLength(6);
    expect(stream(tokenizer, ids, true)).toEqual(['a', '', '', '', '𠮷', 'b', '']);
  });

  test('an emoji in four byte-fallback tokens too', () => {
    const tokenizer = familyTokenizer('llama2');
    const ids = ['<0xF0>', '<0x9F>', '<0xA7>', '<0xBF>', '<0x41>'].map((token) => idOf(tokenizer, token));
    expect(stream(tokenizer, ids, true)).toEqual(['', '', '', '🧿', 'A', '']);
  });

  test('broken characters: as late as possible, one U+FFFD each or one a byte', () => {
    const bytes = familyTokenizer('smollm');
    const [lead, second] = ['ð', 'Ł'].map((char) => idOf(bytes, char));
    const letter = idOf(bytes, 'a');
    expect(stream(bytes, [lead!, second!, letter], true)).toEqual(['', '', '\uFFFDa', '']);
    expect(stream(bytes, [lead!, second!], true)).toEqual(['', '', '\uFFFD']);
    const fallback = familyTokenizer('llama2');
    const [f0, x9f, e] = ['<0xF0>', '<0x9F>', 'e'].map((token) => idOf(fallback, token));
    expect(stream(fallback, [e!, f0!, x9f!, e!], true)).toEqual(['e', '', '', '\uFFFD\uFFFDe', '']);
    expect(stream(fallback, [e!, f0!, x9f!], true)).toEqual(['e', '', '', '\uFFFD\uFFFD']);
  });

  test('whole characters of a run of byte tokens stay when a later byte is bad: Rust would lose them', () => {
    const tokenizer = familyTokenizer('llama2');
    const ids = ['<0xC3>', '<0xA9>', '<0xC3>'].map((token) => idOf(tokenizer, token));
    expect(stream(tokenizer, ids, true)).toEqual(['', 'é', '', '\uFFFD']);
    expect(tokenizer.decode(ids, { skipSpecialTokens: true })).toBe('é\uFFFD');
  });

  test('special tokens are skipped, even in the middle of a character', () => {
    const tokenizer = familyTokenizer('smollm');
    const ids = tokenizer.encode('é', { specialTokens: 'plain', addSpecialTokens: false });
    const end = tokenizer.encode('<|im_end|>', { specialTokens: 'parse', addSpecialTokens: false });
    expect(stream(tokenizer, [...end, ...ids, ...end], true).join('')).toBe('é');
    expect(stream(tokenizer, [...ids, ...end], false).join('')).toBe('é<|im_end|>');
  });
});

describe('the space of SentencePiece', () => {
  const tokenizer = familyTokenizer('llama2');
  const ids = tokenizer.encode('the little fox', { specialTokens: 'plain', addSpecialTokens: false });

  test('is dropped before the first token only', () => {
    expect(stream(tokenizer, ids, true).join('')).toBe('the little fox');
    expect(tokenizer.token(ids[0]!)).toMatch(/^▁/);
  });

  test('stays behind a prompt', () => {
    const prompt = tokenizer.encode('once', { specialTokens: 'plain', addSpecialTokens: true });
    const text = new TextStream(tokenizer, { after: prompt });
    expect(ids.map((id) => text.push(id)).join('') + text.flush()).toBe(' the little fox');
    // The same again after a flush.
    expect(ids.map((id) => text.push(id)).join('') + text.flush()).toBe(' the little fox');
  });

  test('half a character at the end of a prompt is completed', () => {
    const [c3, a9] = ['<0xC3>', '<0xA9>'].map((token) => idOf(tokenizer, token));
    const text = new TextStream(tokenizer, { after: [c3!] });
    expect(text.push(a9!) + text.flush()).toBe('é');
  });
});

test('a long stream costs the same per token at its end', () => {
  const tokenizer = familyTokenizer('llama2');
  const ids = tokenizer.encode('the little fox 😀 ', { specialTokens: 'plain', addSpecialTokens: false });
  const text = new TextStream(tokenizer);
  const begun = performance.now();
  for (let i = 0; i < 300_000; i++) text.push(ids[i % ids.length]!);
  // 0.1 s here; decoding all of it again for each token would take hours.
  expect(performance.now() - begun).toBeLessThan(5_000);
});

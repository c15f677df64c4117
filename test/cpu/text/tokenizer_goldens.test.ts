import { readFileSync } from 'node:fs';
import path from 'node:path';
import { describe, expect, test } from 'vitest';
import { createTokenizer } from '../../../src/text/tokenizer.ts';
import type { Tokenizer } from '../../../src/text/tokenizer.ts';
import { modelTest } from '../../models.ts';
import { digests, familyNames, familyTokenizer, goldens, numbers, randomTexts } from './golden_tokenizers.ts';

/** Against Hugging Face's Rust tokenizers: pipelines of 13 model families on small vocabularies, and the real models. */

describe.each(familyNames)('%s', (name) => {
  const family = goldens.families[name]!;
  const tokenizer = familyTokenizer(name);

  test.each(goldens.fixed_texts.map((text, i) => ({ text, row: family.fixed[i]! })))(
    'ids and text of $text',
    ({ text, row }) => {
      const [idText, plain, around, decoded, shown] = row;
      const ids = numbers(idText);
      const encode = (specialTokens: 'parse' | 'plain', addSpecialTokens: boolean): number[] =>
        tokenizer.encode(text, { specialTokens, addSpecialTokens });
      expect(spelled(tokenizer, encode('parse', false))).toEqual(spelled(tokenizer, ids));
      expect(spelled(tokenizer, encode('plain', false))).toEqual(
        spelled(tokenizer, numbers(plain ?? idText)),
      );
      expect(spelled(tokenizer, encode('parse', true))).toEqual(
        spelled(tokenizer, numbers(around ?? idText)),
      );
      expect(tokenizer.decode(ids, { skipSpecialTokens: false })).toBe(decoded ?? text);
      expect(tokenizer.decode(ids, { skipSpecialTokens: true })).toBe(shown ?? decoded ?? text);
    },
  );

  test(`ids and text of ${randomTexts.length} random texts`, () => {
    expect(digests(tokenizer, randomTexts)).toEqual(numbers(family.random));
  });

  test('text of random ids', () => {
    for (const [ids, text] of family.random_ids) {
      expect(tokenizer.decode(numbers(ids), { skipSpecialTokens: false })).toBe(text);
    }
  });
});

for (const [name, golden] of Object.entries(goldens.models)) {
  modelTest(`${name}: ids and text as in Rust`, (dir) => {
    const tokenizer = createTokenizer({
      tokenizerJson: JSON.parse(readFileSync(path.join(dir, name, 'tokenizer.json'), 'utf8')),
      tokenizerConfig: JSON.parse(readFileSync(path.join(dir, name, 'tokenizer_config.json'), 'utf8')),
    });
    expect(digests(tokenizer, goldens.fixed_texts)).toEqual(numbers(golden.fixed));
    expect(digests(tokenizer, randomTexts)).toEqual(numbers(golden.random));
    for (const [ids, text] of golden.random_ids) {
      expect(tokenizer.decode(numbers(ids), { skipSpecialTokens: false })).toBe(text);
    }
  });
}

function spelled(tokenizer: Tokenizer, ids: readonly number[]): string[] {
  return ids.map((id) => `${id} ${tokenizer.token(id)}`);
}

import { readFileSync } from 'node:fs';
import path from 'node:path';
import { gguf } from '@huggingface/gguf';
import { expect } from 'vitest';
import { tokenizerFromGguf } from '../../../src/text/gguf_vocabulary.ts';
import { asList, asObject } from '../../../src/text/json_fields.ts';
import { createTokenizer } from '../../../src/text/tokenizer.ts';
import { modelTest } from '../../models.ts';
import { digests, goldens, numbers, randomTexts } from './golden_tokenizers.ts';

function sorted(merges: unknown): string[] {
  return asList(merges, 'merges')
    .map((merge) => asList(merge, 'merge').join(' '))
    .toSorted();
}

async function readMetadata(file: string): Promise<Record<string, unknown>> {
  const { metadata } = await gguf(file, { allowLocalFile: true });
  return { ...metadata };
}

for (const [folder, file] of [
  ['stories260K', 'gguf/stories260K.F32.gguf'],
  ['stories260K', 'gguf/stories260K.Q4_1.gguf'],
  ['SmolLM2-135M-Instruct', 'SmolLM2-135M-Instruct/SmolLM2-135M-Instruct.Q4_1.gguf'],
] as const) {
  modelTest(`${file}: the ids of ${folder}/tokenizer.json`, async (dir) => {
    const tokenizer = createTokenizer(tokenizerFromGguf(await readMetadata(path.join(dir, file))));
    const golden = goldens.models[folder]!;
    expect(digests(tokenizer, goldens.fixed_texts)).toEqual(numbers(golden.fixed));
    expect(digests(tokenizer, randomTexts)).toEqual(numbers(golden.random));
  });
}

modelTest('stories260K: the same merges as in tokenizer.json, made from the scores', async (dir) => {
  const files = tokenizerFromGguf(await readMetadata(path.join(dir, 'gguf/stories260K.F32.gguf')));
  const json = JSON.parse(readFileSync(path.join(dir, 'stories260K/tokenizer.json'), 'utf8'));
  const model = asObject(asObject(files.tokenizerJson, 'made')['model'], 'model');
  expect(sorted(model['merges'])).toEqual(sorted(json.model.merges));
});

modelTest(
  'TinyStories-656K: the ids of tokenizer.json but for its normalized special tokens',
  async (dir) => {
    const made = createTokenizer(
      tokenizerFromGguf(await readMetadata(path.join(dir, 'gguf/TinyStories-656K.Q8_0.gguf'))),
    );
    const original = createTokenizer({
      tokenizerJson: JSON.parse(readFileSync(path.join(dir, 'TinyStories-656K/tokenizer.json'), 'utf8')),
      tokenizerConfig: {},
    });
    for (const text of randomTexts) {
      for (const addSpecialTokens of [true, false]) {
        const options = { specialTokens: 'plain', addSpecialTokens } as const;
        expect(made.encode(text, options)).toEqual(original.encode(text, options));
      }
      // A GGUF file cannot say that a special token is looked for in the normalized text.
      if (text.includes('<|start_story|>') || text.includes('<unk>')) continue;
      const options = { specialTokens: 'parse', addSpecialTokens: true } as const;
      expect(made.encode(text, options)).toEqual(original.encode(text, options));
    }
    expect([made.bosTokenId, made.eosTokenIds, made.vocabSize]).toEqual([1, [2], 2048]);
  },
);

modelTest('SmolLM2: roles and template come out of the GGUF file', async (dir) => {
  const files = tokenizerFromGguf(
    await readMetadata(path.join(dir, 'SmolLM2-135M-Instruct/SmolLM2-135M-Instruct.Q4_1.gguf')),
  );
  const config = JSON.parse(
    readFileSync(path.join(dir, 'SmolLM2-135M-Instruct/tokenizer_config.json'), 'utf8'),
  );
  expect(files.tokenizerConfig['chat_template']).toBe(config.chat_template);
  const tokenizer = createTokenizer(files);
  expect(tokenizer.bosToken).toBe('<|im_start|>');
  // 0 as well: its README says to stop there.
  expect(tokenizer.eosTokenIds).toEqual([2, 0]);
  expect(tokenizer.specialIds.size).toBe(17);
});

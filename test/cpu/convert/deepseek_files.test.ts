import { readFileSync } from 'node:fs';
import { fileURLToPath } from 'node:url';
import { expect, test } from 'vitest';
import { openCheckpoint } from '../../../src/formats/open_checkpoint.ts';
import type { ConvertOptions } from '../../../src/runtime/conversion_types.ts';
import { convertModel } from '../../../src/runtime/convert_model.ts';
import { cachedBytes } from '../../../src/runtime/converted_weights.ts';
import { memoryFiles } from '../formats/memory_files.ts';
import { tinyTokenizer } from '../formats/tiny_model.ts';
import { calibrated } from './calibrated.ts';

const FIXTURE = fileURLToPath(new URL('../../fixtures/mistral_mha', import.meta.url));
const IDS = [3, 17, 42, 5, 61, 9, 30];

async function filesOf(
  beside: Parameters<typeof memoryFiles>[0],
  options: Partial<ConvertOptions> = {},
): Promise<{ names: string[]; json: (name: string) => unknown; bytes: number }> {
  const { statistics } = await calibrated('mistral_mha', [IDS]);
  const checkpoint = await openCheckpoint(
    memoryFiles({
      'config.json': readFileSync(`${FIXTURE}/config.json`),
      'model.safetensors': readFileSync(`${FIXTURE}/model.safetensors`),
      ...beside,
    }),
  );
  const { files, latent } = await convertModel(checkpoint, {
    choice: {
      method: 'webmla',
      form: 'strict',
      exportable: true,
      cacheDtype: 'f16',
      kvBudget: 0.5,
      options: {},
    },
    calibration: { rows: [], refitRows: 0, statistics },
    gpu: () => Promise.reject(new Error('no GPU is needed')),
    weights: 'as-is',
    format: 'deepseek',
    onProgress: () => {},
    ...options,
  });
  return {
    names: [...files.keys()],
    bytes: cachedBytes(latent),
    json: (name) =>
      JSON.parse((files.get(name) ?? []).map((part) => (typeof part === 'string' ? part : '')).join('')),
  };
}

test('tokenizer, chat template and generation config go along', async () => {
  const generation = { bos_token_id: 1, eos_token_id: [2, 7], pad_token_id: 2, temperature: 0.6, top_k: 40 };
  const { names, json } = await filesOf({
    'tokenizer.json': tinyTokenizer,
    'tokenizer_config.json': { tokenizer_class: 'PreTrainedTokenizerFast', eos_token: '</s>' },
    'chat_template.jinja': '{{ messages }}',
    'generation_config.json': generation,
  });
  expect(names.at(-1)).toBe('config.json');
  expect(json('generation_config.json')).toEqual(generation);
  expect(json('tokenizer.json')).toEqual(tinyTokenizer);
  expect(json('tokenizer_config.json')).toMatchObject({ eos_token: '</s>', chat_template: '{{ messages }}' });
  expect(json('config.json')).toMatchObject({
    architectures: ['DeepseekV3ForCausalLM'],
    dtype: 'float32',
    rope_scaling: { rope_type: 'linear', factor: 2 },
  });
});

test('what the original has not is not made up; bf16; f16 is refused', async () => {
  const { names, json, bytes } = await filesOf({}, { madeWeights: 'bf16' });
  expect(names).toEqual(['model.safetensors', 'config.json']);
  // Half of 144 values, and the constant.
  expect(json('config.json')).toMatchObject({ dtype: 'bfloat16', kv_lora_rank: 49, qk_rope_head_dim: 24 });
  expect(bytes).toBe(3 * 2 * (49 + 24));
  await expect(filesOf({}, { madeWeights: 'f16' })).rejects.toMatchObject({ code: 'unsupported' });
});

import { fileURLToPath } from 'node:url';
import { beforeAll, describe, expect, test } from 'vitest';
import { CACHE_FORMATS } from '../../src/core/cache_rows.ts';
import type { CacheFormat } from '../../src/core/cache_rows.ts';
import type { ModelConfig } from '../../src/core/config.ts';
import type { DecoderEnds, DecoderLayer, GqaAttention, LatentForm } from '../../src/core/layers.ts';
import { Buffers } from '../../src/gpu/buffers.ts';
import { Pipelines } from '../../src/gpu/pipelines.ts';
import { adapterOf } from '../../src/kernels/attention_tuning.ts';
import { foldProjections } from '../../src/model/fold.ts';
import { buildPlan } from '../../src/model/plan.ts';
import type { Plan } from '../../src/model/plan.ts';
import { TUNING } from '../../src/model/tuning.ts';
import { WeightUploader } from '../../src/model/weights.ts';
import { Session } from '../../src/runtime/session.ts';
import { readDecoder } from '../layers.ts';
import { exactLatent } from '../exact_latent.ts';
import { testGpu } from './dawn.ts';

const folder = fileURLToPath(new URL('../fixtures/llama_bias', import.meta.url));
const PROMPT = [5, 17, 33, 60, 4, 9, 81, 12, 7, 44, 3, 90];
const STEPS = 4;

interface Logits {
  readonly prompt: Float32Array[];
  readonly steps: Float32Array[];
}

type Form = 'gqa' | LatentForm | 'mixed';

let model: { config: ModelConfig; layers: DecoderLayer<GqaAttention>[]; ends: DecoderEnds };

/** The plan of the model with all layers in a form; the layers of `mixed` have different ones. */
async function build(
  form: Form,
  cacheFormat: CacheFormat,
  buffers: Buffers,
  fold = false,
): Promise<{ plan: Plan; pipelines: Pipelines }> {
  const { device } = await testGpu();
  const { config, layers, ends } = model;
  const uploader = new WeightUploader(buffers, device.limits.maxStorageBufferBindingSize);
  const mixed = ['recon', 'gqa', 'reuse'] as const;
  const uploaded = layers.map((layer, i) => {
    const of = form === 'mixed' ? (mixed[i % 3] ?? 'gqa') : form;
    if (of === 'gqa') return uploader.layer(`layers.${i}`, layer);
    const apart = exactLatent(config, layer.self_attn, of);
    const self_attn = fold ? foldProjections(apart, config.num_attention_heads, null) : apart;
    return uploader.layer(`layers.${i}`, { ...layer, self_attn });
  });
  const pipelines = new Pipelines(device);
  const plan = buildPlan(config, uploaded, uploader.ends(ends), pipelines, buffers, {
    max_len: 64,
    cacheFormat,
    chunk: 8,
    promptLogits: true,
    spare: 1,
    adapter: adapterOf(await testGpu()),
    tuning: TUNING,
  });
  return { plan, pipelines };
}

/** Logits of a prompt (in two steps) and of some greedy tokens behind it. */
async function run(form: Form, cacheFormat: CacheFormat, fold = false): Promise<Logits> {
  const gpu = await testGpu();
  const buffers = new Buffers(gpu.device);
  try {
    const { plan, pipelines } = await build(form, cacheFormat, buffers, fold);
    if (fold)
      expect(plan.decode.some(({ label }) => /embed/.test(label) && label !== 'embed_tokens')).toBe(false);
    await pipelines.compileAll();
    const session = new Session(gpu, plan, model.config.vocab_size, buffers, 1);
    const logits: Logits = { prompt: [], steps: [] };
    const onLogits = {
      prompt: (rows: Float32Array) => void logits.prompt.push(rows.slice()),
      step: (row: Float32Array) => void logits.steps.push(row.slice()),
    };
    let count = 0;
    for await (const id of session.generate(PROMPT, 40, { sampling: 'argmax', onLogits }))
      if (id >= 0 && ++count === STEPS) break;
    return logits;
  } finally {
    buffers.destroy();
  }
}

function worst(a: readonly Float32Array[], b: readonly Float32Array[]): number {
  expect(a.length).toBe(b.length);
  return Math.max(
    ...a.map((row, i) => row.reduce((most, v, k) => Math.max(most, Math.abs(v - (b[i]?.[k] ?? NaN))), 0)),
  );
}

describe('GQA written as every latent form without loss', () => {
  let gqa: Logits;
  beforeAll(async () => {
    model = await readDecoder(folder);
    gqa = await run('gqa', 'f32');
  });

  test.each(['strict', 'reuse', 'recon', 'mixed'] as const)('%s: the same logits', async (form) => {
    const { prompt, steps } = await run(form, 'f32');
    expect(steps.length).toBeGreaterThanOrEqual(STEPS);
    expect(worst([...prompt, ...steps], [...gqa.prompt, ...gqa.steps])).toBeLessThan(1e-4);
  });

  test('reuse with all products made ahead: the same logits', async () => {
    const { prompt, steps } = await run('reuse', 'f32', true);
    expect(worst([...prompt, ...steps], [...gqa.prompt, ...gqa.steps])).toBeLessThan(1e-4);
  });

  test.each([
    ['gqa', 'f16', 0.02],
    ['gqa', 'int8', 0.2],
    ['gqa', 'int4', 4],
    ['strict', 'int8', 0.2],
    ['reuse', 'int8', 0.2],
    ['reuse', 'int4', 4],
    ['recon', 'int8', 0.2],
    ['mixed', 'f16', 0.02],
  ] as const)('%s in %s: near', async (form, format, limit) => {
    // Not the steps: another first token has other logits behind it.
    const { prompt } = await run(form, format);
    const difference = worst(prompt, gqa.prompt);
    expect(difference).toBeGreaterThan(0);
    expect(difference).toBeLessThan(limit);
  });

  test('bytes are counted to the last scale', async () => {
    const { num_hidden_layers, num_key_value_heads: groups, head_dim } = model.config;
    const scales = 2 * Math.ceil(head_dim / 32) * 4;
    const want = {
      f32: 2 * head_dim * 4,
      f16: 2 * head_dim * 2,
      int8: 2 * head_dim + scales,
      int4: head_dim + scales,
    };
    const { device } = await testGpu();
    for (const format of CACHE_FORMATS) {
      const buffers = new Buffers(device);
      const { plan } = await build('gqa', format, buffers);
      buffers.destroy();
      expect(plan.kvBytesPerToken).toBe(num_hidden_layers * groups * want[format]);
      const exact = format.startsWith('int') ? num_hidden_layers * groups * 2 * head_dim * 4 : 0;
      expect(plan.cacheBytes).toBe(65 * plan.kvBytesPerToken + exact);
    }
  });
});

import { afterEach, describe, expect, test, vi } from 'vitest';
import type { ModelConfig } from '../../src/core/config.ts';
import type { LatentForm } from '../../src/core/layers.ts';
import { SHAPES } from '../../src/core/shapes.ts';
import type { ShapeName } from '../../src/core/shapes.ts';
import { Buffers } from '../../src/gpu/buffers.ts';
import { Pipelines } from '../../src/gpu/pipelines.ts';
import { DEFAULT_ADAPTER } from '../../src/kernels/attention_tuning.ts';
import { buildPlan } from '../../src/model/plan.ts';
import type { Plan } from '../../src/model/plan.ts';
import { TUNING } from '../../src/model/tuning.ts';
import { WeightUploader } from '../../src/model/weights.ts';
import { loadDecoder } from '../../src/runtime/load.ts';
import { RandomDecoder } from '../../src/runtime/random_decoder.ts';
import { Session } from '../../src/runtime/session.ts';
import { testGpu } from './dawn.ts';

const LAYERS = 2;

/** A published shape with two layers and few tokens to choose from. */
function small(shape: ShapeName): ModelConfig {
  return { ...SHAPES[shape], num_hidden_layers: LAYERS, vocab_size: 320 };
}

/** The plan of random weights, recorded but not compiled. */
async function planOf(
  config: ModelConfig,
  latent: LatentForm | undefined,
  cacheFormat: 'f16' | 'int8',
  tuning = TUNING,
): Promise<Plan> {
  const { device } = await testGpu();
  const source = new RandomDecoder(config, 'q4_0', latent && { form: latent });
  const buffers = new Buffers(device);
  const uploader = new WeightUploader(buffers, device.limits.maxStorageBufferBindingSize);
  const layers = [];
  for (let i = 0; i < LAYERS; i++) {
    const widths = source.latent?.layers[i];
    layers.push(
      uploader.layer(
        `layers.${i}`,
        widths ? await source.latentLayer(i, widths, tuning.fold) : await source.layer(),
      ),
    );
  }
  const plan = buildPlan(config, layers, uploader.ends(await source.ends()), new Pipelines(device), buffers, {
    max_len: 8192,
    cacheFormat,
    chunk: 64,
    promptLogits: false,
    spare: 1,
    adapter: { ...DEFAULT_ADAPTER, subgroupSize: 32 },
    tuning,
  });
  buffers.destroy();
  return plan;
}

describe('dispatches of a token', () => {
  const ENDS = 3;
  test.each([
    ['smollm2-135m', undefined, 'f16', 5, 6],
    ['smollm2-135m', undefined, 'int8', 5, 6],
    ['smollm2-135m', 'strict', 'f16', 5, 6],
    ['smollm2-135m', 'reuse', 'int8', 5, 6],
    ['smollm2-135m', 'recon', 'f16', 5, 6],
    ['qwen2-0.5b', undefined, 'f16', 5, 6],
    ['qwen2-0.5b', 'reuse', 'f16', 5, 6],
    // Products would be four times as large: embed_q stays, unembed_out rides on joining the splits.
    ['llama-3.2-1b', 'strict', 'f16', 7, 7],
    ['llama-3.2-1b', 'recon', 'int8', 7, 7],
  ] as const)('%s %s %s: %i a layer at 128, %i at 8,000', async (shape, latent, format, near, far) => {
    const plan = await planOf(small(shape), latent, format);
    expect(plan.dispatchesAt(128)).toBe(LAYERS * near + ENDS);
    expect(plan.dispatchesAt(8000)).toBe(LAYERS * far + ENDS);
  });

  test('short prompts have matrix products of their own, and nothing else differs', async () => {
    const { prefill, shortPrefill } = await planOf(small('smollm2-135m'), undefined, 'f16');
    const kernels = (dispatches: Plan['prefill'] | null): string[] =>
      dispatches?.map(({ pipeline }) => pipeline.label.split(' ')[0] ?? '') ?? [];
    expect(kernels(prefill).filter((name) => name === 'matmul_tiled').length).toBe(LAYERS * 4);
    expect(kernels(shortPrefill)).toEqual(
      kernels(prefill).map((name) => (name === 'matmul_tiled' ? 'matmul_narrow' : name)),
    );
    const apart = await planOf(small('smollm2-135m'), undefined, 'f16', { ...TUNING, narrow: false });
    expect(apart.shortPrefill).toBeNull();
  });

  test('what is fused can be left apart', async () => {
    const config = small('smollm2-135m');
    const append = await planOf(config, undefined, 'f16', { ...TUNING, append: false });
    expect(append.dispatchesAt(128)).toBe(LAYERS * 6 + ENDS);
    const fold = await planOf(config, 'reuse', 'f16', { ...TUNING, fold: false });
    expect(fold.dispatchesAt(128)).toBe(LAYERS * 7 + ENDS);
  });
});

/** Everything that makes something on a device, but encoders. */
const CREATING = [
  'createBuffer',
  'createTexture',
  'createSampler',
  'createQuerySet',
  'createBindGroup',
  'createBindGroupLayout',
  'createPipelineLayout',
  'createShaderModule',
  'createComputePipeline',
  'createComputePipelineAsync',
] as const;

test('the device is asked for what an ordinary browser has', async () => {
  const { device } = await testGpu();
  const taken = [...device.features];
  expect(taken).toContain('timestamp-query');
  expect(taken.filter((name) => name === 'shader-f16' || name.startsWith('chromium-experimental'))).toEqual(
    [],
  );
});

describe('the decode loop', () => {
  afterEach(() => vi.restoreAllMocks());

  test('creates nothing on the device but encoders, and takes no more memory after 80 tokens than after 10', async () => {
    const gpu = await testGpu();
    const config: ModelConfig = {
      ...small('smollm2-135m'),
      hidden_size: 64,
      intermediate_size: 64,
      num_attention_heads: 2,
      num_key_value_heads: 1,
      head_dim: 32,
    };
    const model = await loadDecoder(new RandomDecoder(config, 'q4_0', { form: 'strict' }), gpu, {
      attention: 'mla',
      cacheDtype: 'f16',
      contextLength: 256,
      promptLogits: false,
      spare: 3,
      onProgress: () => {},
      signal: undefined,
    });
    const session = new Session(gpu, model.plan, config.vocab_size, model.buffers, 3);
    const { device } = gpu;
    const made = CREATING.map((name) => vi.spyOn(device, name));
    let tokens = 0;
    let bytes = 0;
    for await (const id of session.generate([1, 2, 3], 256, { sampling: 'argmax' })) {
      expect(id).toBeLessThan(config.vocab_size);
      if (++tokens === 10) {
        bytes = model.buffers.bytes;
        for (const spy of made) spy.mockClear();
      }
      if (tokens === 80) break;
    }
    expect(model.buffers.bytes).toBe(bytes);
    for (const spy of made) expect(spy, spy.getMockName()).not.toHaveBeenCalled();
    model.buffers.destroy();
  });
});

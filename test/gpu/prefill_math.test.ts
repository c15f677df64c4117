import { describe, expect, test } from 'vitest';
import type { ModelConfig } from '../../src/core/config.ts';
import { SHAPES } from '../../src/core/shapes.ts';
import type { Gpu } from '../../src/gpu/device.ts';
import type { PrefillMath } from '../../src/model/plan.ts';
import { loadDecoder } from '../../src/runtime/load.ts';
import type { LoadedModel } from '../../src/runtime/load.ts';
import { RandomDecoder } from '../../src/runtime/random_decoder.ts';
import { Session } from '../../src/runtime/session.ts';
import { testGpu } from './dawn.ts';

/** Tokens that make it two steps, of which the second is short. */
const PROMPT = Array.from({ length: 69 }, (_, i) => (i * 37) % 320);

const CONFIG: ModelConfig = {
  ...SHAPES['smollm2-135m'],
  num_hidden_layers: 2,
  vocab_size: 320,
  intermediate_size: 224,
};

async function load(gpu: Gpu, prefillMath: PrefillMath): Promise<LoadedModel> {
  return loadDecoder(new RandomDecoder(CONFIG, 'q4_1'), gpu, {
    attention: 'gqa',
    cacheDtype: 'f32',
    contextLength: 96,
    promptLogits: false,
    spare: 0,
    prefillMath,
    onProgress: () => {},
    signal: undefined,
  });
}

/** Logits behind the prompt. */
async function logitsOf({ plan, buffers }: LoadedModel): Promise<Float32Array> {
  const session = new Session(await testGpu(), plan, CONFIG.vocab_size, buffers, 1);
  let logits = new Float32Array();
  const onLogits = { prompt: () => {}, step: (row: Float32Array<ArrayBuffer>) => void (logits = row) };
  for await (const id of session.generate(PROMPT, 96, { sampling: 'argmax', onLogits })) {
    void id;
    break;
  }
  return logits;
}

const norm = (x: ArrayLike<number>): number => Math.hypot(...Array.from(x));

const kernelsOf = ({ plan }: LoadedModel): string[] =>
  plan.prefill.map(({ pipeline }) => pipeline.label.split(' ')[0] ?? '');

describe('how prompts are computed', () => {
  test('8 bits: every product of integer weights, and what they say is near the exact', async () => {
    const gpu = await testGpu();
    const [exact, int8] = [await load(gpu, 'exact'), await load(gpu, 'int8')];
    expect(kernelsOf(exact).filter((name) => /int8|quantise/.test(name))).toEqual([]);
    expect(kernelsOf(int8).filter((name) => name === 'matmul_int8').length).toBe(8);
    expect(kernelsOf(int8).filter((name) => name === 'quantise_rows').length).toBe(8);
    expect(kernelsOf(int8).filter((name) => /^(matmul|matmul_tiled|rms_norm)$/.test(name))).toEqual([]);
    const [want, got] = [await logitsOf(exact), await logitsOf(int8)];
    const error = norm(want.map((value, i) => value - (got[i] ?? NaN))) / norm(want);
    expect(error).toBeGreaterThan(0);
    expect(error).toBeLessThan(0.02);
    exact.buffers.destroy();
    int8.buffers.destroy();
  });

  test('kernels of hardware say what those of software adapters say', async () => {
    const gpu = await testGpu();
    const hardware = { ...gpu, info: { ...gpu.info, software: false } };
    const [plain, tiled] = [await load(gpu, 'exact'), await load(hardware, 'exact')];
    expect(kernelsOf(tiled)).toEqual(expect.arrayContaining(['matmul_tiled', 'attention_partial']));
    const [want, got] = [await logitsOf(plain), await logitsOf(tiled)];
    expect(norm(want.map((value, i) => value - (got[i] ?? NaN))) / norm(want)).toBeLessThan(1e-5);
    plain.buffers.destroy();
    tiled.buffers.destroy();
  });

  test('a device without packed dot products computes them exactly, and says so', async () => {
    const gpu = await testGpu();
    const poor = { ...gpu, info: { ...gpu.info, packedDot: false } };
    const model = await load(poor, 'int8');
    expect(kernelsOf(model)).not.toContain('matmul_int8');
    expect(model.notes.join(' ')).toContain('packed_4x8_integer_dot_product');
    model.buffers.destroy();
  });
});

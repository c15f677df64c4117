import { readdirSync } from 'node:fs';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { describe, expect, test } from 'vitest';
import type { LayerStatistics } from '../../src/convert/statistics.ts';
import type { ModelConfig } from '../../src/core/config.ts';
import type { DecoderEnds, DecoderLayer, GqaAttention } from '../../src/core/layers.ts';
import { openDawn } from '../../src/cli/dawn.ts';
import { openGpu } from '../../src/gpu/device.ts';
import { Pipelines } from '../../src/gpu/pipelines.ts';
import { quantize } from '../../src/core/quantize.ts';
import { randomStream } from '../../src/core/rng.ts';
import { calibrate } from '../../src/runtime/calibrate.ts';
import type { LayerSource } from '../../src/runtime/calibrate.ts';
import { directStatistics } from '../direct_statistics.ts';
import { readDecoder } from '../layers.ts';
import { testGpu } from './dawn.ts';

const fixtures = fileURLToPath(new URL('../fixtures', import.meta.url));

interface Decoder {
  readonly config: ModelConfig;
  readonly layers: DecoderLayer<GqaAttention>[];
  readonly ends: DecoderEnds;
}

function sourceOf({ layers, ends }: Decoder): LayerSource {
  return { layer: async (i) => layers[i]!, ends: async () => ends };
}

function tokenRows(vocabSize: number, lengths: readonly number[]): Uint32Array<ArrayBuffer>[] {
  const random = randomStream(5);
  return lengths.map((n) => Uint32Array.from({ length: n }, () => Math.floor(random() * vocabSize)));
}

/** Largest difference, beside the largest value that is wanted. */
function error(got: ArrayLike<number>, want: ArrayLike<number>): number {
  expect(got.length).toBe(want.length);
  const scale = Math.max(...Array.from(want, Math.abs));
  return Math.max(...Array.from(want, (value, i) => Math.abs(value - got[i]!))) / scale;
}

function expectAlike(got: LayerStatistics, want: LayerStatistics, most: number): void {
  expect(got.tokens).toBe(want.tokens);
  for (const name of ['plain', 'attended'] as const) {
    expect(Math.abs(got[name].weight / want[name].weight - 1)).toBeLessThan(most);
    expect(error(got[name].mean, want[name].mean), `${name} mean`).toBeLessThan(most);
    expect(error(got[name].second, want[name].second), `${name} second`).toBeLessThan(most);
  }
  for (const name of ['queries', 'spreadQueries', 'spread', 'rotation'] as const) {
    expect(error(got[name], want[name]), name).toBeLessThan(most);
  }
}

describe('statistics of layers on the GPU', () => {
  test.each(readdirSync(fixtures))('%s: as the definitions say', async (name) => {
    const read = await readDecoder(join(fixtures, name));
    // Longer than the fixture was made for, so that there are several tiles of 64 tokens.
    const decoder = { ...read, config: { ...read.config, max_position_embeddings: 256 } };
    // Several tiles in one of them; the others differ in what a layer is made of.
    const lengths = name === 'llama_bias' ? [40, 130, 1, 64] : [1, 70];
    const rows = tokenRows(decoder.config.vocab_size, lengths);
    const want = directStatistics(
      decoder.config,
      decoder.ends,
      decoder.layers,
      rows.map((ids) => [...ids]),
    );
    const gpu = await testGpu();
    const pipelines = new Pipelines(gpu.device);
    const got = await calibrate(gpu, decoder.config, sourceOf(decoder), rows, { pipelines });
    expect(got.length).toBe(decoder.layers.length);
    got.forEach((one, i) => expectAlike(one, want[i]!.statistics, 2e-5));

    if (name !== 'llama_bias') return;
    // The same again, and in batches of one row: the sums are the same ones.
    const bytes = 130 * decoder.config.hidden_size * 4;
    const seen: number[] = [];
    const again = await calibrate(gpu, decoder.config, sourceOf(decoder), rows, { pipelines });
    const batched = await calibrate(gpu, decoder.config, sourceOf(decoder), rows, {
      pipelines,
      streamBytes: bytes,
      onProgress: ({ loaded, total }) => seen.push(loaded / total),
    });
    expect(again).toEqual(got);
    batched.forEach((one, i) => expectAlike(one, got[i]!, 1e-5));
    expect(seen.length).toBe(1 + rows.length * decoder.layers.length);
    expect(seen.at(-1)).toBe(1);
  });

  test('a lost device', async () => {
    const decoder = await readDecoder(join(fixtures, 'qwen2_yarn'));
    const gpu = await openGpu(await openDawn());
    const rows = tokenRows(decoder.config.vocab_size, [8, 8, 8]);
    const onProgress = ({ loaded }: { loaded: number }): void => {
      if (loaded === 1) gpu.device.destroy();
    };
    const lost = calibrate(gpu, decoder.config, sourceOf(decoder), rows, { onProgress });
    await expect(lost).rejects.toMatchObject({ code: 'device_lost' });
  });

  test('refuses what is wrong, and stops', async () => {
    const decoder = await readDecoder(join(fixtures, 'llama_bias'));
    const gpu = await testGpu();
    const run = (ids: number[][], signal?: AbortSignal): Promise<unknown> =>
      calibrate(
        gpu,
        decoder.config,
        sourceOf(decoder),
        ids.map((row) => Uint32Array.from(row)),
        { signal },
      );
    await expect(run([])).rejects.toMatchObject({ code: 'bad_request' });
    await expect(run([[1, 2], []])).rejects.toMatchObject({ code: 'bad_request' });
    await expect(run([[1, decoder.config.vocab_size]])).rejects.toMatchObject({ code: 'bad_request' });
    await expect(run([Array.from({ length: 65 }, () => 1)])).rejects.toMatchObject({ code: 'bad_request' });
    await expect(run([[1, 2]], AbortSignal.abort())).rejects.toMatchObject({ code: 'aborted' });
    const [first] = decoder.layers;
    const broken = quantize(new Float32Array(16 * 60).fill(NaN), 16, 60, 'f32');
    const attention = { ...first!.self_attn, v_proj: { pieces: [broken], bias: null } };
    const layers = [{ ...first!, self_attn: attention }, ...decoder.layers.slice(1)];
    await expect(
      calibrate(gpu, decoder.config, sourceOf({ ...decoder, layers }), [Uint32Array.of(1, 2)]),
    ).rejects.toMatchObject({ code: 'internal', message: expect.stringContaining('layer 0') });
    expect(gpu.failure()).toBeUndefined();
  });
});

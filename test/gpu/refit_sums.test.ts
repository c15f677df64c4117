import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { describe, expect, test } from 'vitest';
import { convertExact } from '../../src/convert/exact.ts';
import { randomStream } from '../../src/core/rng.ts';
import { moments } from '../../src/reference/moments.ts';
import { embedRows, withLayer } from '../../src/runtime/calibrate.ts';
import { LayerStream } from '../../src/runtime/layer_stream.ts';
import { gatherRefitSums } from '../../src/runtime/refit_sums.ts';
import { directStatistics } from '../direct_statistics.ts';
import { readDecoder } from '../layers.ts';
import { testGpu } from './dawn.ts';

const FIXTURE = join(fileURLToPath(new URL('../fixtures', import.meta.url)), 'llama_bias');

function error(got: ArrayLike<number>, want: ArrayLike<number>): number {
  expect(got.length).toBe(want.length);
  const scale = Math.max(...Array.from(want, Math.abs));
  return Math.max(...Array.from(want, (value, i) => Math.abs(value - got[i]!))) / scale;
}

describe('sums for the refit of o_proj', () => {
  test('original and converted streams side by side, layer by layer', async () => {
    const { config, layers, ends } = await readDecoder(FIXTURE);
    const random = randomStream(6);
    const rows = [30, 17].map((n) =>
      Uint32Array.from({ length: n }, () => Math.floor(random() * config.vocab_size)),
    );
    const want = directStatistics(
      config,
      ends,
      layers,
      rows.map((ids) => [...ids]),
    );
    const gpu = await testGpu();
    const stream = new LayerStream(gpu, config, 30);
    const source = { ends: async () => ends };
    try {
      const originals = await embedRows(stream, source, rows);
      const converteds = await embedRows(stream, source, rows);
      for (const [i, layer] of layers.entries()) {
        const self_attn = convertExact(config, i, layer.self_attn).attention;
        await withLayer(stream, i, layer, (weights) =>
          withLayer(stream, i, { ...layer, self_attn }, async (exact) => {
            const original = { layer: await stream.prepare(i, weights), rows: originals };
            const converted = { layer: await stream.prepare(i, exact), rows: converteds };
            const sums = await gatherRefitSums(stream, original, converted);
            const { heads, projected } = want[i]!;
            const width = config.num_attention_heads * config.head_dim;
            const outputs = new Float64Array((width + 1) ** 2);
            const targets = new Float64Array(config.hidden_size * (width + 1));
            heads.forEach((values, row) => {
              const tilde = Array.from({ length: values.length / width }, (_, t) => [
                ...values.subarray(t * width, (t + 1) * width),
                1,
              ]).flat();
              moments(outputs, tilde, tilde, width + 1, width + 1);
              moments(targets, projected[row]!, tilde, config.hidden_size, width + 1);
            });
            expect(sums.tokens).toBe(47);
            expect(error(sums.outputs, outputs)).toBeLessThan(2e-5);
            expect(error(sums.targets, targets)).toBeLessThan(2e-5);
            for (const side of [original, converted]) {
              await stream.advance(side.layer, side.rows);
              side.layer.destroy();
            }
          }),
        );
      }
    } finally {
      stream.destroy();
    }
    expect(gpu.failure()).toBeUndefined();
  });
});

import { expect, test } from 'vitest';
import { convertLayer } from '../../../src/convert/convert_layer.ts';
import type { Moments } from '../../../src/convert/statistics.ts';
import { unpack } from '../../../src/core/packed.ts';
import { calibrated } from './calibrated.ts';

/** A few tokens, of which one gets nearly all attention: f32 sums then have no variance left that is surely positive. */
function dominated({ mean, second, weight }: Moments, share: number): Moments {
  const n = mean.length;
  const sink = Float64Array.from({ length: n }, (_, i) => 30 * Math.sin(1.7 * i + 1));
  const rounded = (values: Float64Array): Float64Array => Float64Array.from(Float32Array.from(values));
  return {
    weight,
    mean: rounded(mean.map((m, i) => (1 - share) * m + share * (sink[i] ?? 0))),
    second: rounded(
      second.map((v, k) => (1 - share) * v + share * (sink[Math.floor(k / n)] ?? 0) * (sink[k % n] ?? 0)),
    ),
  };
}

test.each([6, 10, 16])('%i tokens under one that dominates them convert', async (length) => {
  const ids = Array.from({ length }, (_, i) => (i * 37 + 5) % 97);
  const { config, layers, statistics } = await calibrated('llama_bias', [ids]);
  const [layer, found] = [layers[0], statistics[0]];
  if (!layer || !found) throw new Error('expected a layer');
  const { attention } = convertLayer(
    config,
    0,
    layer.self_attn,
    { ...found, attended: dominated(found.attended, 0.99) },
    { method: 'webmla', form: 'reuse', row_dim: 24, pairs: 8 },
  );
  const made = attention.kv_a_proj.pieces.map(unpack);
  expect(made.every((matrix) => matrix.every(Number.isFinite))).toBe(true);
});

import { fileURLToPath } from 'node:url';
import { expect, test } from 'vitest';
import type { MethodChoice } from '../../src/convert/budget.ts';
import { randomStream } from '../../src/core/rng.ts';
import { Pipelines } from '../../src/gpu/pipelines.ts';
import { calibrate } from '../../src/runtime/calibrate.ts';
import { withRopeRemoved } from '../../src/runtime/rope_removed.ts';
import { readDecoder } from '../layers.ts';
import { testGpu } from './dawn.ts';

const FIXTURE = fileURLToPath(new URL('../fixtures/llama_bias', import.meta.url));

test('moments of the model without rope: those of the model itself until a layer has lost some', async () => {
  const { config, layers, ends } = await readDecoder(FIXTURE);
  const random = randomStream(9);
  const rows = [40, 23].map((n) =>
    Uint32Array.from({ length: n }, () => Math.floor(random() * config.vocab_size)),
  );
  const source = { layer: async (i: number) => layers[i]!, ends: async () => ends };
  const gpu = await testGpu();
  const pipelines = new Pipelines(gpu.device);
  const statistics = await calibrate(gpu, config, source, rows, { pipelines });
  const width = config.num_key_value_heads * config.head_dim;
  const choice = (qk_rope_head_dim: number): MethodChoice => ({
    method: 'transmla',
    form: 'strict',
    exportable: false,
    cacheDtype: 'f16',
    kv_lora_rank: 4,
    qk_rope_head_dim,
    options: { freqfold: '1' },
  });
  const apart = async (rope: number): Promise<number[]> => {
    const found = await withRopeRemoved(gpu, config, source, statistics, choice(rope), rows, pipelines);
    return found.map(({ plain, ropeRemoved }) => {
      expect(ropeRemoved!.weight).toBe(63);
      const largest = Math.max(...plain.second.map(Math.abs));
      return Math.max(...plain.second.map((x, i) => Math.abs(x - ropeRemoved!.second[i]!))) / largest;
    });
  };
  const none = await apart(width);
  expect(none.length).toBe(layers.length);
  for (const difference of none) expect(difference).toBeLessThan(1e-4);
  const [first, ...others] = await apart(config.head_dim);
  expect(first).toBeLessThan(1e-5);
  for (const difference of others) expect(difference).toBeGreaterThan(1e-3);
});

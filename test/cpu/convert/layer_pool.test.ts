import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { build } from 'esbuild';
import { afterAll, beforeAll, expect, test } from 'vitest';
import { layerThreads } from '../../../src/cli/layer_threads.ts';
import type { MethodChoice } from '../../../src/convert/budget.ts';
import { convertLayers } from '../../../src/runtime/converted_layers.ts';
import type { ConvertedLayer } from '../../../src/runtime/converted_layers.ts';
import { solvePositive } from '../../../src/convert/linalg/cholesky.ts';
import { matrixOf } from '../../../src/convert/linalg/matrix.ts';
import { uniform } from '../../../src/core/rng.ts';
import { LayerPool } from '../../../src/runtime/layer_pool.ts';
import type { LayerThread, LayerThreads } from '../../../src/runtime/layer_pool.ts';
import { answerTask, buffersOf } from '../../../src/runtime/layer_task.ts';
import { calibrated } from './calibrated.ts';
import type { Calibrated } from './calibrated.ts';

let folder = '';
let script = '';
let tiny: Calibrated;

beforeAll(async () => {
  folder = mkdtempSync(join(tmpdir(), 'webmla-threads-'));
  script = join(folder, 'node_layer_worker.mjs');
  await build({
    entryPoints: [fileURLToPath(new URL('../../../src/cli/node_layer_worker.ts', import.meta.url))],
    outfile: script,
    bundle: true,
    format: 'esm',
    platform: 'node',
  });
  const ids = Array.from({ length: 40 }, (_, i) => 3 + ((i * 7) % 70));
  tiny = await calibrated('llama_bias', [ids]);
});
afterAll(() => rmSync(folder, { recursive: true }));

const choice: MethodChoice = {
  method: 'webmla',
  form: 'reuse',
  exportable: false,
  cacheDtype: 'int8',
  kv_lora_rank: 12,
  qk_rope_head_dim: 8,
  options: {},
};

async function convertTiny(
  threads: LayerThreads | null,
  signal?: AbortSignal,
  copies = 5,
): Promise<ConvertedLayer[]> {
  const { config, ends, layers, statistics } = tiny;
  const count = copies * layers.length;
  const source = { layer: async (i: number) => layers[i % layers.length]!, ends: async () => ends };
  const repeated = Array.from({ length: count }, (_, i) => statistics[i % layers.length]!);
  const made: ConvertedLayer[] = [];
  const all = convertLayers({ ...config, num_hidden_layers: count }, source, repeated, choice, {
    threads,
    signal,
  });
  for await (const one of all) made.push({ ...one, algebraMs: 0 });
  return made;
}

test('layers of threads are those of this thread, bit for bit and in order', async () => {
  const want = await convertTiny(null);
  expect(want.map(({ index }) => index)).toEqual(want.map((_, i) => i));
  for (const cores of [2, 4]) expect(await convertTiny(layerThreads([script], cores))).toEqual(want);
  // Nothing that was sent has been taken away from here.
  expect(await convertTiny(null)).toEqual(want);
});

test('without the script, or with threads that die, this thread makes the layers', async () => {
  expect(layerThreads([join(folder, 'nothing.js')])).toBeNull();
  const want = await convertTiny(null);
  const broken = fileURLToPath(new URL('../../fixtures/llama_bias/config.json', import.meta.url));
  expect(await convertTiny(layerThreads([broken], 3))).toEqual(want);
});

test('errors of a thread keep their code', async () => {
  const { config, layers, statistics } = tiny;
  const answer = answerTask({
    config,
    layer: 0,
    attention: layers[0]!.self_attn,
    statistics: statistics[0]!,
    method: { method: 'webmla', form: 'reuse', row_dim: 1000 },
    options: {},
  });
  expect(answer).toMatchObject({ error: { code: 'bad_request' } });
  const thread: LayerThread = { run: async () => answer, end: () => undefined };
  const failing = convertTiny({ cores: 3, start: () => thread });
  await expect(failing).rejects.toMatchObject({ name: 'WebMlaError', code: 'bad_request' });
});

test('cancelling ends the threads at once, and nothing more is made', async () => {
  const controller = new AbortController();
  let [started, ended] = [0, 0];
  const threads: LayerThreads = {
    cores: 4,
    start: () => {
      started++;
      return { run: () => new Promise(() => undefined), end: () => void ended++ };
    },
  };
  const running = convertTiny(threads, controller.signal);
  setTimeout(() => controller.abort(), 20);
  await expect(running).rejects.toMatchObject({ code: 'aborted' });
  expect([started, ended]).toEqual([3, 3]);
});

test('buffers to transfer: each once, views and nothing else', () => {
  const buffer = new ArrayBuffer(16);
  const message = { a: new Uint8Array(buffer), b: [new Float32Array(buffer, 4, 1), null, 'x'], c: 1 };
  expect(buffersOf(message)).toEqual([buffer]);
});

test('equations in parts are those in one piece, bit for bit', async () => {
  const n = 70;
  const left = matrixOf(n, n, (i, j) => (i === j ? n : uniform(1, Math.min(i, j), Math.max(i, j))));
  for (const columns of [1, 64, 131, 262]) {
    const right = matrixOf(n, columns, (i, j) => uniform(2, i, j));
    const pool = new LayerPool(layerThreads([script], 4), 6);
    const got = await pool.solve(left, right);
    expect(got).toEqual(solvePositive(left, right));
    await expect(
      pool.solve(
        matrixOf(n, n, () => 1),
        right,
      ),
    ).rejects.toMatchObject({ code: 'bad_tensor' });
    pool.end();
    await expect(pool.solve(left, right)).rejects.toMatchObject({ code: 'aborted' });
  }
  expect(await new LayerPool(null, 6).solve(left, left)).toEqual(solvePositive(left, left));
});

import { fileURLToPath } from 'node:url';
import { expect, test } from 'vitest';
import { randomStream } from '../../src/core/rng.ts';
import { Buffers } from '../../src/gpu/buffers.ts';
import { encode } from '../../src/gpu/pipelines.ts';
import { STEP_BYTES, writeStep } from '../../src/gpu/step.ts';
import { moments } from '../../src/reference/moments.ts';
import { LayerStream } from '../../src/runtime/layer_stream.ts';
import { addTo, mirror, MomentSums } from '../../src/runtime/moment_sums.ts';
import { takeSums } from '../../src/runtime/take_sums.ts';
import { readDecoder } from '../layers.ts';
import { testGpu } from './dawn.ts';

const FIXTURE = fileURLToPath(new URL('../fixtures/llama_bias', import.meta.url));
const [TOKENS, DIM] = [50, 70];

test.each([true, false])('sums are read, and begin anew (in slices, as on real GPUs: %s)', async (slices) => {
  const { config } = await readDecoder(FIXTURE);
  const software = await testGpu();
  const gpu = { ...software, info: { ...software.info, software: !slices } };
  const stream = new LayerStream(gpu, config, TOKENS);
  const buffers = new Buffers(gpu.device);
  const random = randomStream(12);
  const x = Float32Array.from({ length: TOKENS * DIM }, () => random() - 0.4);
  const side = { dim: DIM, stride: DIM, offset: 0, batch: 0, ones: true };
  const on = buffers.upload('x', x);
  const sums = new MomentSums(
    stream,
    buffers,
    'sums',
    { x: side, y: side, batches: 1, weights: null, symmetric: true },
    { x: on, y: on },
  );
  await stream.pipelines.compileAll();
  expect(sums.source.fold !== null).toBe(slices);
  const run = (num_tokens: number): void => {
    const step = { position: 0, num_tokens, num_splits: 1, split_len: num_tokens };
    gpu.device.queue.writeBuffer(stream.step, 0, writeStep(step, new Uint32Array(STEP_BYTES / 4)));
    const encoder = gpu.device.createCommandEncoder();
    const pass = encoder.beginComputePass();
    encode(pass, [sums.dispatch], step);
    pass.end();
    gpu.device.queue.submit([encoder.finish()]);
  };
  const wanted = (...lengths: number[]): Float64Array => {
    const want = new Float64Array((DIM + 1) ** 2);
    for (const length of lengths) {
      const tilde = Array.from({ length }, (_, t) => [...x.subarray(t * DIM, (t + 1) * DIM), 1]).flat();
      moments(want, tilde, tilde, DIM + 1, DIM + 1);
    }
    return want;
  };
  const taken = (values: readonly Float32Array[]): Float64Array => {
    const totals = sums.zeros();
    addTo(totals, values[0]!);
    return mirror(totals, DIM + 1);
  };
  run(TOKENS);
  run(3);
  // What is submitted before the answer belongs to the next one.
  const first = takeSums(gpu, 'sums', [sums.source]);
  run(17);
  const second = takeSums(gpu, 'sums', [sums.source]);
  for (const [got, want] of [
    [taken(await first), wanted(TOKENS, 3)],
    [taken(await second), wanted(17)],
  ] as const) {
    got.forEach((value, i) => expect(Math.abs(value - want[i]!)).toBeLessThan(2e-5));
  }
  buffers.destroy();
  stream.destroy();
});

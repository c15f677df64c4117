import type { Buffers } from '../src/gpu/buffers.ts';
import type { Gpu } from '../src/gpu/device.ts';
import type { Dispatch } from '../src/gpu/pipelines.ts';
import { encode } from '../src/gpu/pipelines.ts';
import type { Stopwatch } from '../src/gpu/profile.ts';
import { STEP_BYTES, writeStep } from '../src/gpu/step.ts';
import type { Step } from '../src/gpu/step.ts';

/** What the parts of the laboratory share. */
export interface Lab {
  readonly gpu: Gpu;
  readonly stopwatch: Stopwatch;
  readonly tokens: readonly number[];
  /** Only shapes whose name begins so. */
  readonly shapes: string;
  readonly targetMs: number;
  /** Tiny shapes, to try the laboratory itself on a software GPU. */
  readonly quick: boolean;
  print(line: string): void;
}

export function stepOf(num_tokens: number): Step {
  return { position: 0, num_tokens, num_splits: 1, split_len: Math.ceil(num_tokens / 32) * 32 };
}

export function uploadStep({ gpu }: Lab, buffers: Buffers, step: Step): GPUBuffer {
  const buffer = buffers.uniform('step', STEP_BYTES);
  gpu.device.queue.writeBuffer(buffer, 0, writeStep(step, new Uint32Array(STEP_BYTES / 4)));
  return buffer;
}

/** ms of the dispatches together; the message where they do not run. */
export async function timed(lab: Lab, dispatches: readonly Dispatch[], step: Step): Promise<number> {
  return lab.targetMs === 0
    ? lab.stopwatch.time(dispatches, step, 1)
    : lab.stopwatch.measure(dispatches, step, lab.targetMs);
}

/** What the dispatches leave in a buffer, from so many bytes on. */
export async function resultOf(
  { gpu }: Lab,
  buffers: Buffers,
  dispatches: readonly Dispatch[],
  step: Step,
  out: GPUBuffer,
  from: number,
): Promise<Float32Array> {
  const copy = buffers.readback('copy', out.size - from);
  const encoder = gpu.device.createCommandEncoder();
  encoder.clearBuffer(out);
  const pass = encoder.beginComputePass();
  encode(pass, dispatches, step);
  pass.end();
  encoder.copyBufferToBuffer(out, from, copy, 0, out.size - from);
  gpu.device.queue.submit([encoder.finish()]);
  await copy.mapAsync(GPUMapMode.READ);
  const values = new Float32Array(copy.getMappedRange().slice(0));
  buffers.release(copy);
  return values;
}

/** Uniform in (-1, 1), always the same. */
export function noise(count: number, seed: number): Float32Array<ArrayBuffer> {
  let x = seed * 2654435761 + 1;
  return Float32Array.from({ length: count }, () => {
    x ^= x << 13;
    x ^= x >>> 17;
    x ^= x << 5;
    return (x | 0) / 2 ** 31;
  });
}

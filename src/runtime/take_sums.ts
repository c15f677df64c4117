import { WebMlaError } from '../core/errors.ts';
import { Buffers } from '../gpu/buffers.ts';
import type { Gpu } from '../gpu/device.ts';
import { encode } from '../gpu/pipelines.ts';
import type { Dispatch } from '../gpu/pipelines.ts';

/** Sums of f32 on the GPU that the host reads. */
export interface SumSource {
  readonly sums: GPUBuffer;
  /** Fills `sums` from what dispatches have added up; null: they add to `sums` itself, which is set back when it is read. */
  readonly fold: Dispatch | null;
}

/**
 * Reads sums and begins them anew. What is submitted after the call, and before its answer, counts to the next ones.
 * @throws WebMlaError `internal` where a sum is not a number, `device_lost`
 */
export async function takeSums(
  gpu: Gpu,
  what: string,
  sources: readonly SumSource[],
): Promise<Float32Array[]> {
  const { device } = gpu;
  const buffers = new Buffers(device);
  try {
    const bytes = sources.reduce((sum, { sums }) => sum + sums.size, 0);
    const copy = buffers.readback(what, bytes);
    const encoder = device.createCommandEncoder();
    const pass = encoder.beginComputePass();
    const folds = sources.flatMap(({ fold }) => fold ?? []);
    encode(pass, folds, { position: 0, num_tokens: 0, num_splits: 1, split_len: 0 });
    pass.end();
    let at = 0;
    for (const { sums, fold } of sources) {
      encoder.copyBufferToBuffer(sums, 0, copy, at, sums.size);
      if (!fold) encoder.clearBuffer(sums);
      at += sums.size;
    }
    device.queue.submit([encoder.finish()]);
    await copy.mapAsync(GPUMapMode.READ);
    const values = new Float32Array(copy.getMappedRange().slice(0));
    // A plain loop: there are a million values, several times a layer.
    let finite = true;
    for (let i = 0; i < values.length; i++) finite &&= Number.isFinite(values[i]);
    if (!finite) {
      const message = `${what}: expected numbers, got NaN or infinity`;
      throw new WebMlaError('internal', message, 'The weights may be damaged.');
    }
    at = 0;
    return sources.map(({ sums: { size } }) => values.subarray(at, (at += size / 4)));
  } catch (error) {
    throw gpu.failure() ?? error;
  } finally {
    buffers.destroy();
  }
}

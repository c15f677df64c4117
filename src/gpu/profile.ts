import { WebMlaError } from '../core/errors.ts';
import type { Gpu } from './device.ts';
import { encode } from './pipelines.ts';
import type { Dispatch } from './pipelines.ts';
import type { Step } from './step.ts';

/**
 * GPU time between two timestamps, around lists of dispatches that run again and again in one pass. Browsers round timestamps
 * to 100 µs, so a measurement should last some milliseconds.
 */
export class Stopwatch {
  readonly #gpu: Gpu;
  readonly #queries: GPUQuerySet;
  readonly #resolved: GPUBuffer;
  readonly #readable: GPUBuffer;

  /** @throws WebMlaError `unsupported` where the device has no timestamps */
  constructor(gpu: Gpu) {
    const { device } = gpu;
    if (!device.features.has('timestamp-query')) {
      throw new WebMlaError('unsupported', 'GPU: expected the feature timestamp-query, got none');
    }
    this.#gpu = gpu;
    this.#queries = device.createQuerySet({ type: 'timestamp', count: 2 });
    this.#resolved = device.createBuffer({
      size: 16,
      usage: GPUBufferUsage.QUERY_RESOLVE | GPUBufferUsage.COPY_SRC,
    });
    this.#readable = device.createBuffer({
      size: 16,
      usage: GPUBufferUsage.MAP_READ | GPUBufferUsage.COPY_DST,
    });
  }

  /** ms of one run of `dispatches`, the mean of `repeats` in a row. */
  async time(dispatches: readonly Dispatch[], step: Step, repeats: number): Promise<number> {
    const { device } = this.#gpu;
    const encoder = device.createCommandEncoder();
    const pass = encoder.beginComputePass({
      timestampWrites: { querySet: this.#queries, beginningOfPassWriteIndex: 0, endOfPassWriteIndex: 1 },
    });
    for (let i = 0; i < repeats; i++) encode(pass, dispatches, step);
    pass.end();
    encoder.resolveQuerySet(this.#queries, 0, 2, this.#resolved, 0);
    encoder.copyBufferToBuffer(this.#resolved, 0, this.#readable, 0, 16);
    device.queue.submit([encoder.finish()]);
    await this.#readable.mapAsync(GPUMapMode.READ);
    const [begin = 0n, end = 0n] = new BigUint64Array(this.#readable.getMappedRange());
    const ns = Number(end - begin);
    this.#readable.unmap();
    const failure = this.#gpu.failure();
    if (failure) throw failure;
    return ns / 1e6 / repeats;
  }

  /** As often as fills about `targetMs`, then the median of three. */
  async measure(dispatches: readonly Dispatch[], step: Step, targetMs = 5): Promise<number> {
    await this.time(dispatches, step, 1);
    const once = await this.time(dispatches, step, 4);
    const repeats = Math.max(4, Math.min(2000, Math.ceil(targetMs / Math.max(once, 0.001))));
    const runs: number[] = [];
    for (let i = 0; i < 3; i++) runs.push(await this.time(dispatches, step, repeats));
    return runs.toSorted((a, b) => a - b)[1] ?? 0;
  }

  destroy(): void {
    this.#queries.destroy();
    this.#resolved.destroy();
    this.#readable.destroy();
  }
}

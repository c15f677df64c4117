import { asWebMlaError, WebMlaError } from '../core/errors.ts';
import type { Buffers } from '../gpu/buffers.ts';
import type { Gpu } from '../gpu/device.ts';

interface Slot {
  readonly buffer: GPUBuffer;
  /** Settles when the buffer is mapped. Never rejects by itself: `next` looks. */
  mapped: Promise<unknown>;
}

/** A ring of 4-byte buffers through which sampled ids come back, oldest first, without stopping the GPU. */
export class ReadbackRing {
  readonly #gpu: Gpu;
  readonly #free: GPUBuffer[];
  #queue: Slot[] = [];
  #dropped: Slot[] = [];
  readonly depth: number;

  constructor(gpu: Gpu, buffers: Buffers, depth: number) {
    this.#gpu = gpu;
    this.depth = depth;
    this.#free = Array.from({ length: depth }, (_, i) => buffers.readback(`sampled_id.${i}`, 4));
  }

  /** Ids submitted and not yet read. */
  get pending(): number {
    return this.#queue.length;
  }

  /** Adds the copy of one word to `encoder`. Call what it returns once the commands are submitted. */
  copy(encoder: GPUCommandEncoder, source: GPUBuffer, offset: number): () => void {
    const buffer = this.#free.pop();
    if (!buffer) throw new WebMlaError('internal', 'readback ring: expected a free buffer, got none');
    encoder.copyBufferToBuffer(source, offset, buffer, 0, 4);
    return () => {
      const mapped = buffer.mapAsync(GPUMapMode.READ).catch((error: unknown) => asWebMlaError(error));
      this.#queue.push({ buffer, mapped });
    };
  }

  /** The oldest id. @throws WebMlaError `aborted` at once when the signal fires, `device_lost` */
  async next(signal: AbortSignal | undefined): Promise<number> {
    const [slot] = this.#queue;
    if (!slot) throw new WebMlaError('internal', 'readback ring: expected an id in flight, got none');
    const failed = await raceAbort(Promise.race([slot.mapped, this.#gpu.lost]), signal);
    const failure = this.#gpu.failure() ?? (failed instanceof WebMlaError ? failed : undefined);
    if (failure) throw failure;
    const id = new Uint32Array(slot.buffer.getMappedRange(0, 4))[0] ?? 0;
    slot.buffer.unmap();
    this.#queue.shift();
    this.#free.push(slot.buffer);
    return id;
  }

  /** Forgets what is in flight. The buffers come back when the GPU is through with them. */
  drop(): void {
    this.#dropped.push(...this.#queue);
    this.#queue = [];
  }

  /** Waits until every dropped read has come back, so that all buffers are free. */
  async ready(): Promise<void> {
    const dropped = this.#dropped;
    this.#dropped = [];
    for (const { buffer, mapped } of dropped) {
      await mapped;
      buffer.unmap();
      this.#free.push(buffer);
    }
  }
}

function raceAbort<T>(promise: Promise<T>, signal: AbortSignal | undefined): Promise<T> {
  if (!signal) return promise;
  return new Promise<T>((resolve, reject) => {
    const abort = (): void =>
      reject(new WebMlaError('aborted', 'The operation was cancelled.', '', {}, signal.reason));
    if (signal.aborted) abort();
    signal.addEventListener('abort', abort, { once: true });
    void promise.then(resolve, reject).finally(() => signal.removeEventListener('abort', abort));
  });
}

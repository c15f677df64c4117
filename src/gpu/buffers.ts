import { WebMlaError } from '../core/errors.ts';

/** Bytes of all buffers that are alive, and the most that there were since somebody set `peak` back. For figures only. */
export const gpuMemory = { bytes: 0, peak: 0 };

/**
 * All buffers of an engine. Sizes are checked against the device's limits before anything is allocated, allocations are
 * watched for out-of-memory, and everything is freed together.
 */
export class Buffers {
  readonly #device: GPUDevice;
  readonly #buffers: GPUBuffer[] = [];
  #bytes = 0;

  constructor(device: GPUDevice) {
    this.#device = device;
  }

  get bytes(): number {
    return this.#bytes;
  }

  /** A storage buffer of zeros that can be copied to and from. */
  storage(label: string, bytes: number): GPUBuffer {
    const limit = Math.min(
      this.#device.limits.maxStorageBufferBindingSize,
      this.#device.limits.maxBufferSize,
    );
    if (bytes > limit) {
      throw new WebMlaError(
        'limit_exceeded',
        `${label}: expected at most ${limit} bytes (this GPU's limit for one buffer), got ${bytes}`,
        'Use a smaller contextLength, a smaller cacheDtype or a smaller weight format.',
        { label, bytes, limit },
      );
    }
    return this.#create(
      label,
      bytes,
      GPUBufferUsage.STORAGE | GPUBufferUsage.COPY_DST | GPUBufferUsage.COPY_SRC,
    );
  }

  uniform(label: string, bytes: number): GPUBuffer {
    return this.#create(label, bytes, GPUBufferUsage.UNIFORM | GPUBufferUsage.COPY_DST);
  }

  /** A storage buffer with these bytes. */
  upload(label: string, data: ArrayBufferView<ArrayBuffer>): GPUBuffer {
    const buffer = this.storage(label, data.byteLength);
    this.#write(buffer, data);
    return buffer;
  }

  /** A buffer to read results from. */
  readback(label: string, bytes: number): GPUBuffer {
    return this.#create(label, bytes, GPUBufferUsage.MAP_READ | GPUBufferUsage.COPY_DST);
  }

  #create(label: string, bytes: number, usage: GPUBufferUsageFlags): GPUBuffer {
    // Bindings and copies want multiples of 4; 16 keeps a vec4 at the end readable.
    const size = Math.max(16, Math.ceil(bytes / 16) * 16);
    const buffer = this.#device.createBuffer({ label, size, usage });
    this.#buffers.push(buffer);
    this.#count(size);
    return buffer;
  }

  #write(buffer: GPUBuffer, data: ArrayBufferView<ArrayBuffer>): void {
    const whole = data.byteLength - (data.byteLength % 4);
    this.#device.queue.writeBuffer(buffer, 0, data.buffer, data.byteOffset, whole);
    if (whole < data.byteLength) {
      const tail = new Uint8Array(4);
      tail.set(new Uint8Array(data.buffer, data.byteOffset + whole, data.byteLength - whole));
      this.#device.queue.writeBuffer(buffer, whole, tail);
    }
  }

  #count(bytes: number): void {
    this.#bytes += bytes;
    gpuMemory.bytes += bytes;
    gpuMemory.peak = Math.max(gpuMemory.peak, gpuMemory.bytes);
  }

  /** Frees one buffer before the rest. */
  release(buffer: GPUBuffer): void {
    const at = this.#buffers.indexOf(buffer);
    if (at === -1) return;
    this.#buffers.splice(at, 1);
    this.#count(-buffer.size);
    buffer.destroy();
  }

  destroy(): void {
    for (const buffer of this.#buffers) buffer.destroy();
    this.#buffers.length = 0;
    this.#count(-this.#bytes);
  }
}

/**
 * Runs `allocate` (synchronous, so that error scopes of two callers cannot cross) and waits until the GPU has said whether
 * it had the memory.
 * @throws WebMlaError `out_of_memory`
 */
export async function watchMemory<T>(device: GPUDevice, what: string, allocate: () => T): Promise<T> {
  device.pushErrorScope('validation');
  device.pushErrorScope('out-of-memory');
  let scopes: Promise<(GPUError | null)[]>;
  let result: T;
  try {
    result = allocate();
  } finally {
    scopes = Promise.all([device.popErrorScope(), device.popErrorScope()]);
    scopes.catch(() => {}); // a lost device rejects them; its own error is reported elsewhere
  }
  const [outOfMemory, invalid] = await scopes;
  if (outOfMemory) {
    throw new WebMlaError(
      'out_of_memory',
      `${what}: the GPU has no memory left (${outOfMemory.message})`,
      'Use a smaller model, fewer bits for the weights, or a smaller contextLength; close other tabs that use the GPU.',
    );
  }
  if (invalid)
    throw new WebMlaError('internal', `${what}: ${invalid.message}`, 'This is a bug: please report it.');
  return result;
}

import type { ModelConfig } from '../core/config.ts';
import { Buffers, watchMemory } from '../gpu/buffers.ts';
import type { Gpu } from '../gpu/device.ts';
import { encode } from '../gpu/pipelines.ts';
import { STEP_BYTES, writeStep } from '../gpu/step.ts';
import { stride } from '../kernels/parts.ts';
import type { LoadedModel } from './load.ts';

/**
 * Logits of a model over some windows, kept on the GPU: what many models are compared with need not run again for each of
 * them. 4 bytes a token and word: 200 MB for 1,024 tokens of a vocabulary of 49,152, so this is for large GPUs.
 */
export class KeptLogits {
  readonly config: ModelConfig;
  readonly contextLength: number;
  /** Tokens of a step at most. */
  readonly chunk: number;
  /** What load() fills: f32 [chunk, stride(vocab_size)] */
  readonly logits: GPUBuffer;
  readonly #windows: readonly Uint32Array[];
  readonly #kept: readonly GPUBuffer[];
  readonly #buffers: Buffers;

  private constructor(
    { config, contextLength, plan }: LoadedModel,
    windows: readonly Uint32Array[],
    buffers: Buffers,
    logits: GPUBuffer,
    kept: readonly GPUBuffer[],
  ) {
    this.config = config;
    this.contextLength = contextLength;
    this.chunk = plan.chunk;
    this.logits = logits;
    this.#windows = windows;
    this.#buffers = buffers;
    this.#kept = kept;
  }

  /**
   * @param model loaded with promptLogits; nothing else may use it meanwhile
   * @throws WebMlaError `out_of_memory`, `limit_exceeded`, `device_lost`
   */
  static async gather(
    gpu: Gpu,
    model: LoadedModel,
    windows: readonly Uint32Array<ArrayBuffer>[],
  ): Promise<KeptLogits> {
    const { plan, config } = model;
    const { device } = gpu;
    const buffers = new Buffers(device);
    const rowBytes = stride(config.vocab_size) * 4;
    try {
      const [logits, kept] = await watchMemory(device, 'kept logits', () => [
        buffers.storage('logits', plan.chunk * rowBytes),
        windows.map(({ length }, i) => buffers.storage(`logits.${i}`, (length - 1) * rowBytes)),
      ]);
      const stepWords = new Uint32Array(STEP_BYTES / 4);
      for (const [i, window] of windows.entries()) {
        device.queue.writeBuffer(plan.state.tokens, 0, window);
        for (let position = 0; position < window.length - 1; position += plan.chunk) {
          const step = plan.step(position, Math.min(plan.chunk, window.length - 1 - position));
          device.queue.writeBuffer(plan.state.step, 0, writeStep(step, stepWords));
          const encoder = device.createCommandEncoder();
          const pass = encoder.beginComputePass();
          encode(pass, plan.prefill, step);
          encode(pass, plan.promptLogits ?? [], step);
          pass.end();
          const [from, to] = [plan.state.promptLogits, kept[i]];
          if (from && to)
            encoder.copyBufferToBuffer(from, 0, to, position * rowBytes, step.num_tokens * rowBytes);
          device.queue.submit([encoder.finish()]);
        }
        await device.queue.onSubmittedWorkDone();
        const failure = gpu.failure();
        if (failure) throw failure;
      }
      return new KeptLogits(model, windows, buffers, logits, kept);
    } catch (error) {
      buffers.destroy();
      throw gpu.failure() ?? error;
    }
  }

  /** Whether these are the windows, in their order. */
  isOf(windows: readonly Uint32Array[]): boolean {
    return (
      windows.length === this.#windows.length &&
      windows.every((window, i) => {
        const own = this.#windows[i];
        return own?.length === window.length && window.every((id, t) => own[t] === id);
      })
    );
  }

  /** Records that `logits` takes those of a window's tokens. */
  load(encoder: GPUCommandEncoder, window: number, position: number, tokens: number): void {
    const rowBytes = stride(this.config.vocab_size) * 4;
    const from = this.#kept[window];
    if (from) encoder.copyBufferToBuffer(from, position * rowBytes, this.logits, 0, tokens * rowBytes);
  }

  destroy(): void {
    this.#buffers.destroy();
  }
}

import type { Buffers } from '../../gpu/buffers.ts';
import type { Dispatch, Pipelines } from '../../gpu/pipelines.ts';
import { ADAM_BETAS, ADAM_BYTES, adam_step, packAdam } from '../../kernels/adam_step.ts';

/** Least size that a tensor's rate goes by: biases may be 0 (research/lab). */
const LEAST_RMS = 1e-3;

/** A tensor that Adam moves: its value, the gradient that products add to, and Adam's two means; all f32. */
export class TrainedTensor {
  readonly value: GPUBuffer;
  readonly gradient: GPUBuffer;
  /** Moves the value, and sets the gradient to 0. */
  readonly step: Dispatch;
  readonly #numbers: GPUBuffer;
  readonly #device: GPUDevice;
  readonly #rms: number;

  constructor(
    device: GPUDevice,
    buffers: Buffers,
    pipelines: Pipelines,
    label: string,
    values: Float64Array,
  ) {
    // The rope queries of a layer without rope pairs are none: one element of padding is trained, and never read.
    const count = Math.max(1, values.length);
    const bytes = count * 4;
    this.#device = device;
    this.value = buffers.upload(label, Float32Array.from(values));
    this.gradient = buffers.storage(`${label}.gradient`, bytes);
    this.#numbers = buffers.uniform(`${label}.adam`, ADAM_BYTES);
    this.#rms = Math.max(LEAST_RMS, Math.sqrt(meanSquare(values)));
    this.step = pipelines.dispatch(
      adam_step,
      { count },
      {},
      {
        value: this.value,
        gradient: this.gradient,
        first: buffers.storage(`${label}.first`, bytes),
        second: buffers.storage(`${label}.second`, bytes),
        adam: this.#numbers,
      },
      `${label}.adam`,
    );
  }

  /**
   * Numbers of the next `step`.
   * @param rate in units of the tensor's root mean square at the start
   * @param count steps, this one with them
   */
  schedule(rate: number, count: number, gradient_scale: number): void {
    const [first, second] = ADAM_BETAS;
    const numbers = packAdam({
      rate: rate * this.#rms,
      first_correction: 1 - first ** count,
      second_correction: 1 - second ** count,
      gradient_scale,
    });
    this.#device.queue.writeBuffer(this.#numbers, 0, numbers);
  }
}

function meanSquare(values: Float64Array): number {
  return values.reduce((sum, x) => sum + x * x, 0) / Math.max(1, values.length);
}

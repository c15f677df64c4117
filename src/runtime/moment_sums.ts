import type { Buffers } from '../gpu/buffers.ts';
import type { Dispatch } from '../gpu/pipelines.ts';
import { moments, momentsBytes, momentShape } from '../kernels/moments.ts';
import type { MomentsDims } from '../kernels/moments.ts';
import type { LayerStream } from './layer_stream.ts';

/** Workgroups that keep a GPU busy. */
const TARGET_WORKGROUPS = 128;
const MAX_SPLITS = 16;
const TILE = 64;

/** Sums Σ w x yᵀ on the GPU: f32 over a few thousand tokens, which the host adds up in f64. */
export class MomentSums {
  readonly sums: GPUBuffer;
  readonly dispatch: Dispatch;
  readonly #dims: MomentsDims;

  constructor(
    stream: LayerStream,
    buffers: Buffers,
    label: string,
    dims: Omit<MomentsDims, 'splits' | 'max_tokens'>,
    sides: { readonly x: GPUBuffer; readonly y: GPUBuffer; readonly weights?: GPUBuffer },
  ) {
    const { rows, cols } = momentShape(dims);
    const workgroups = Math.ceil(rows / TILE) * Math.ceil(cols / TILE) * dims.batches;
    const { software } = stream.gpu.info;
    const splits = software ? 1 : Math.min(MAX_SPLITS, Math.ceil(TARGET_WORKGROUPS / workgroups));
    this.#dims = { ...dims, splits, max_tokens: stream.maxTokens };
    this.sums = buffers.storage(label, momentsBytes(this.#dims));
    this.dispatch = stream.pipelines.dispatch(
      moments,
      this.#dims,
      {},
      { weights: stream.ropeTable, ...sides, sums: this.sums, step: stream.step },
      label,
    );
  }

  /** Zeros for `add`: [batches, rows, cols] */
  zeros(): Float64Array {
    const { rows, cols } = momentShape(this.#dims);
    return new Float64Array(this.#dims.batches * rows * cols);
  }

  /** totals += what was read from `sums`, all slices */
  add(totals: Float64Array, read: Float32Array): void {
    for (let slice = 0; slice < this.#dims.splits; slice++) {
      const base = slice * totals.length;
      for (let i = 0; i < totals.length; i++) totals[i] = (totals[i] ?? 0) + (read[base + i] ?? 0);
    }
  }
}

/** Copies the upper triangle of [n, n] onto the lower one, in place. */
export function mirror(matrix: Float64Array, n: number): Float64Array {
  for (let i = 0; i < n; i++) {
    for (let j = 0; j < i; j++) matrix[i * n + j] = matrix[j * n + i] ?? 0;
  }
  return matrix;
}

import type { Buffers } from '../gpu/buffers.ts';
import type { Dispatch } from '../gpu/pipelines.ts';
import { add_slices } from '../kernels/add_slices.ts';
import { moments, momentsBytes, momentShape } from '../kernels/moments.ts';
import type { MomentsDims } from '../kernels/moments.ts';
import type { LayerStream } from './layer_stream.ts';
import type { SumSource } from './take_sums.ts';

/** Workgroups that keep a GPU busy: some for each core of the largest. */
const TARGET_WORKGROUPS = 256;
const MAX_SPLITS = 16;
const TILE = 64;

/** Sums Σ w x yᵀ on the GPU: f32 over a few thousand tokens, which the host adds up in f64. */
export class MomentSums {
  readonly source: SumSource;
  readonly dispatch: Dispatch;
  readonly #count: number;

  constructor(
    stream: LayerStream,
    buffers: Buffers,
    label: string,
    dims: Omit<MomentsDims, 'splits' | 'max_tokens'>,
    sides: { readonly x: GPUBuffer; readonly y: GPUBuffer; readonly weights?: GPUBuffer },
  ) {
    const { rows, cols } = momentShape(dims);
    const count = (this.#count = dims.batches * rows * cols);
    const across = Math.ceil(cols / TILE);
    const tiles = dims.symmetric ? (across * (across + 1)) / 2 : Math.ceil(rows / TILE) * across;
    const { software } = stream.gpu.info;
    const slices = software ? 1 : Math.min(MAX_SPLITS, Math.ceil(TARGET_WORKGROUPS / (tiles * dims.batches)));
    const whole: MomentsDims = { ...dims, splits: slices, max_tokens: stream.maxTokens };
    const sliced = buffers.storage(label, momentsBytes(whole));
    const { pipelines } = stream;
    this.dispatch = pipelines.dispatch(
      moments,
      whole,
      {},
      { weights: stream.ropeTable, ...sides, sums: sliced, step: stream.step },
      label,
    );
    if (slices === 1) this.source = { sums: sliced, fold: null };
    else {
      // Read as they are, slices would be several times as much for the host to fetch and add.
      const sums = buffers.storage(`${label}.sums`, count * 4);
      this.source = {
        sums,
        fold: pipelines.dispatch(
          add_slices,
          { count, slices },
          {},
          { slices: sliced, sums },
          `${label}.fold`,
        ),
      };
    }
  }

  /** Zeros to add to: [batches, rows, cols] */
  zeros(): Float64Array {
    return new Float64Array(this.#count);
  }
}

/** totals += values; what lies behind the totals is padding. */
export function addTo(totals: Float64Array, values: Float32Array): void {
  for (let i = 0; i < totals.length; i++) totals[i] = (totals[i] ?? 0) + (values[i] ?? 0);
}

/** Copies the upper triangle of [n, n] onto the lower one, in place. */
export function mirror(matrix: Float64Array, n: number): Float64Array {
  for (let i = 0; i < n; i++) {
    for (let j = 0; j < i; j++) matrix[i * n + j] = matrix[j * n + i] ?? 0;
  }
  return matrix;
}

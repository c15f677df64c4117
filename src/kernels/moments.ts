import source from '../../shaders/moments.wgsl?raw';
import { defineKernel, readonly, uniform, writable } from '../gpu/kernel.ts';
import { bool, u32 } from '../gpu/link.ts';
import { STEP_BYTES } from '../gpu/step.ts';
import { STEP } from './parts.ts';

/** One side of the product: `dim` values of token t and batch b begin at t * stride + offset + b * batch. */
export interface MomentSide {
  readonly dim: number;
  readonly stride: number;
  readonly offset: number;
  readonly batch: number;
  /** A 1 behind the values, so that sums of the other side stand in the same matrix. dim 0 with it: only the 1. */
  readonly ones: boolean;
}

export interface MomentsDims {
  readonly x: MomentSide;
  readonly y: MomentSide;
  /** Weight of token t and batch b: t * stride + b * batch; null: 1. */
  readonly weights: { readonly stride: number; readonly batch: number } | null;
  /** Matrices, e.g. heads. */
  readonly batches: number;
  /** x and y are the same: what lies below the diagonal is not wanted (and stays zero in whole tiles only). */
  readonly symmetric: boolean;
  /** Slices that the step's tokens are cut into, each with sums of its own, for the host to add in f64. */
  readonly splits: number;
  readonly max_tokens: number;
}

const TILE = 64;

const widthOf = ({ dim, ones }: MomentSide): number => dim + (ones ? 1 : 0);

/** Rows and columns of each matrix. */
export function momentShape({ x, y }: Pick<MomentsDims, 'x' | 'y'>): { rows: number; cols: number } {
  return { rows: widthOf(x), cols: widthOf(y) };
}

export function momentsBytes(dims: MomentsDims): number {
  const { rows, cols } = momentShape(dims);
  return dims.splits * dims.batches * rows * cols * 4;
}

/** sums[s, b] += Σ_t w x yᵀ */
export const moments = defineKernel({
  name: 'moments',
  source,
  includes: [STEP],
  parts: {},
  constants: ({ x, y, weights, batches, symmetric, splits }: MomentsDims) => ({
    n: u32(x.dim),
    x_stride: u32(x.stride),
    x_offset: u32(x.offset),
    x_batch: u32(x.batch),
    x_ones: bool(x.ones),
    m: u32(y.dim),
    y_stride: u32(y.stride),
    y_offset: u32(y.offset),
    y_batch: u32(y.batch),
    y_ones: bool(y.ones),
    weighted: bool(weights !== null),
    w_stride: u32(weights?.stride ?? 0),
    w_batch: u32(weights?.batch ?? 0),
    batches: u32(batches),
    symmetric: bool(symmetric),
    SPLITS: u32(splits),
  }),
  bindings: (dims) => {
    const { x, y, weights, batches, max_tokens } = dims;
    const end = (side: { stride: number; offset: number; batch: number; dim: number }): number =>
      ((max_tokens - 1) * side.stride + side.offset + (batches - 1) * side.batch + Math.max(1, side.dim)) * 4;
    return {
      x: readonly(end(x)),
      y: readonly(end(y)),
      weights: readonly(weights ? end({ ...weights, offset: 0, dim: 1 }) : 4),
      sums: writable(momentsBytes(dims)),
      step: uniform(STEP_BYTES),
    };
  },
  grid: (dims) => {
    const { rows, cols } = momentShape(dims);
    return [Math.ceil(rows / TILE) * Math.ceil(cols / TILE), dims.batches, dims.splits];
  },
  refuse: (dims) => {
    const { rows, cols } = momentShape(dims);
    if (rows === 0 || cols === 0) return `expected a matrix, got ${rows} x ${cols}`;
    return dims.symmetric && rows !== cols ? `symmetric: expected a square, got ${rows} x ${cols}` : null;
  },
  bytesMoved: (dims, step) => {
    const { rows, cols } = momentShape(dims);
    return 2 * momentsBytes(dims) + step.num_tokens * dims.batches * (rows + cols) * 4;
  },
});

import source from '../../shaders/batched_matmul.wgsl?raw';
import { defineKernel, readonly, uniform, writable } from '../gpu/kernel.ts';
import { TILE } from './parts.ts';

/** Element (i, j) of batch b and repeat r lies at offset + floor(b / share) * batch + r * repeat + i * row + j * column. */
export interface Operand {
  readonly offset: number;
  readonly row: number;
  readonly column: number;
  readonly batch: number;
  /** Batches that share a matrix. */
  readonly share: number;
  readonly repeat: number;
}

/** What of a causal matrix is left out, in whole tiles. */
export type Triangle =
  | 'none'
  /** C above the diagonal is not written. */
  | 'lower_output'
  /** A is zero above its diagonal. */
  | 'lower_left'
  /** A is zero below its diagonal. */
  | 'upper_left';

export interface ProductDims {
  readonly rows: number;
  readonly columns: number;
  readonly depth: number;
  readonly batches: number;
  /** Products that are summed up in one C. */
  readonly repeats: number;
  readonly a: Operand;
  readonly b: Operand;
  readonly c: { readonly offset: number; readonly row: number; readonly batch: number };
  readonly alpha: number;
  readonly beta: number;
  readonly triangle: Triangle;
}

export const PRODUCT_BYTES = 96;
const SIDE = 64;
const MAX_GRID = 65535;
const TRIANGLES: Record<Triangle, number> = { none: 0, lower_output: 1, lower_left: 2, upper_left: 3 };

/** The uniform `product`, in the order of the shader's struct. */
export function packProduct(dims: ProductDims): Uint32Array<ArrayBuffer> {
  const { rows, columns, depth, repeats, a, b, c, alpha, beta, triangle } = dims;
  const operand = (x: Operand): number[] => [x.offset, x.row, x.column, x.batch, x.share, x.repeat];
  const words = new Uint32Array(PRODUCT_BYTES / 4);
  words.set([rows, columns, depth, repeats, ...operand(a), ...operand(b), c.offset, c.row, c.batch]);
  words[19] = TRIANGLES[triangle];
  new Float32Array(words.buffer).set([alpha, beta], 20);
  return words;
}

/** Bytes up to the last element that is touched. */
function endOf(x: Operand, rows: number, columns: number, { batches, repeats }: ProductDims): number {
  const batch = Math.floor((batches - 1) / x.share) * x.batch;
  const last = batch + (repeats - 1) * x.repeat + (rows - 1) * x.row + (columns - 1) * x.column;
  return (x.offset + last + 1) * 4;
}

/** C[b] = alpha Σ_r A[b, r] B[b, r] + beta C[b] */
export const batched_matmul = defineKernel({
  name: 'batched_matmul',
  source,
  includes: [],
  parts: { tile: TILE },
  constants: (_dims: ProductDims) => ({}),
  bindings: (dims) => {
    const { rows, columns, depth, batches, a, b, c } = dims;
    return {
      a: readonly(endOf(a, rows, depth, dims)),
      b: readonly(endOf(b, depth, columns, dims)),
      c: writable((c.offset + (batches - 1) * c.batch + (rows - 1) * c.row + columns) * 4),
      product: uniform(PRODUCT_BYTES),
    };
  },
  grid: ({ rows, columns, batches }) => [Math.ceil(columns / SIDE), Math.ceil(rows / SIDE), batches],
  refuse: ({ rows, columns, depth, batches, repeats, a, b, c }) => {
    const sizes = [rows, columns, depth, batches, repeats, a.share, b.share];
    if (sizes.some((n) => !Number.isInteger(n) || n < 1)) {
      return `rows, columns, depth, batches, repeats and shares: expected at least 1, got ${sizes.join(', ')}`;
    }
    if (c.row < columns || (batches > 1 && c.batch < columns)) {
      return `C: expected rows and batches apart by ${columns} columns, got ${c.row} and ${c.batch}`;
    }
    return Math.max(rows / SIDE, columns / SIDE, batches) > MAX_GRID
      ? `${rows} x ${columns} x ${batches}: expected at most ${MAX_GRID} tiles a side`
      : null;
  },
});

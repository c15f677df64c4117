import { BLOCK, multiplyBlock, packColumns, packRows } from './block_kernel.ts';
import type { Panels } from './block_kernel.ts';
import { transpose, zeros } from './matrix.ts';
import type { Matrix } from './matrix.ts';

/** Rows of the left side that stay in the second-level cache while all panels of the right side pass. */
const ROWS = 32;
/** Four rows count as sparse when they hold less than this part of the range that their numbers lie in. */
const SPARSE = 0.25;

/**
 * a b. Four rows of a at a time: where they are dense between their first and last number (a block diagonal is) only that range
 * is multiplied; where they are sparse (permutations, frequency-wise maps) rows of b are added up.
 */
export function multiply(a: Matrix, b: Matrix): Matrix {
  if (a.cols !== b.rows) throw new RangeError(`multiply: ${a.rows}x${a.cols} by ${b.rows}x${b.cols}`);
  const result = zeros(a.rows, b.cols);
  multiplyInto(
    result,
    a,
    () => b,
    () => packColumns(b.data, b.rows, b.cols),
    false,
  );
  return result;
}

/** a bᵀ */
export function multiplyTransposed(a: Matrix, b: Matrix): Matrix {
  return transposedProduct(a, b, false);
}

/** a bᵀ where it is known to be symmetric: half of it is computed. Symmetric to the last bit. */
export function symmetricProduct(a: Matrix, b: Matrix): Matrix {
  const result = transposedProduct(a, b, true);
  const n = result.rows;
  for (let i = 0; i < n; i++) {
    for (let j = 0; j < i; j++) result.data[j * n + i] = result.data[i * n + j] ?? 0;
  }
  return result;
}

/** a b where b is the sparse one. */
export function multiplySparse(a: Matrix, b: Matrix): Matrix {
  return transpose(multiply(transpose(b), transpose(a)));
}

/** e c eᵀ for a symmetric c, as e (e c)ᵀ: a sparse e stands on the left both times. Symmetric to the last bit. */
export function congruence(e: Matrix, c: Matrix): Matrix {
  return symmetricProduct(e, multiply(e, c));
}

/** (a + aᵀ) / 2 */
export function symmetrized(a: Matrix): Matrix {
  const data = a.data.slice();
  const n = a.rows;
  for (let i = 0; i < n; i++) {
    for (let j = 0; j < i; j++) {
      const mean = ((a.data[i * n + j] ?? 0) + (a.data[j * n + i] ?? 0)) / 2;
      data[i * n + j] = mean;
      data[j * n + i] = mean;
    }
  }
  return { ...a, data };
}

function transposedProduct(a: Matrix, b: Matrix, lower: boolean): Matrix {
  if (a.cols !== b.cols)
    throw new RangeError(`multiply: ${a.rows}x${a.cols} by ${b.rows}x${b.cols} transposed`);
  const result = zeros(a.rows, b.rows);
  multiplyInto(
    result,
    a,
    () => transpose(b),
    () => packRows(b.data, b.rows, b.cols),
    lower,
  );
  return result;
}

/**
 * @param rowsOfB, panelsOfB the right side in the form that sparse or dense rows need, made when there are such
 * @param lower the upper triangle, but for some of it beside the diagonal, may be left out
 */
function multiplyInto(
  result: Matrix,
  a: Matrix,
  rowsOfB: () => Matrix,
  panelsOfB: () => Panels,
  lower: boolean,
): void {
  let dense: Panels | undefined;
  let sparse: Matrix | undefined;
  for (let start = 0; start < a.rows; start += ROWS) {
    const end = Math.min(a.rows, start + ROWS);
    const blocks: DenseBlock[] = [];
    for (let row = start; row < end; row += BLOCK) {
      const rows = Math.min(BLOCK, end - row);
      const { from, to, count } = extentOf(a, row, rows);
      if (count === 0) continue;
      if (count < SPARSE * rows * (to - from)) {
        sparse ??= rowsOfB();
        for (let i = row; i < row + rows; i++) addRows(result, a, sparse, i, lower ? i + 1 : result.cols);
      } else blocks.push({ row, from, to });
    }
    if (blocks.length > 0) multiplyBlocks(result, a, (dense ??= panelsOfB()), blocks, lower);
  }
}

/** Four rows, and the range of columns that is not zero in all of them. */
interface DenseBlock {
  readonly row: number;
  readonly from: number;
  readonly to: number;
}

function multiplyBlocks(
  result: Matrix,
  a: Matrix,
  { data: panels, depth }: Panels,
  blocks: readonly DenseBlock[],
  lower: boolean,
): void {
  const { cols, data } = result;
  const last = a.rows - 1;
  const sums = new Float64Array(BLOCK * BLOCK);
  for (let j = 0; j < cols; j += BLOCK) {
    for (const { row, from, to } of blocks) {
      if (lower && j > row + BLOCK - 1) continue;
      multiplyBlock(a.data, a.cols, row, last, panels, j * depth, from, to, sums);
      const rows = Math.min(BLOCK, a.rows - row);
      const width = Math.min(BLOCK, cols - j);
      for (let r = 0; r < rows; r++) {
        for (let c = 0; c < width; c++) data[(row + r) * cols + j + c] = sums[r * BLOCK + c] ?? 0;
      }
    }
  }
}

function extentOf(
  { cols, data }: Matrix,
  row: number,
  rows: number,
): { from: number; to: number; count: number } {
  let [from, to, count] = [cols, 0, 0];
  for (let i = row; i < row + rows; i++) {
    for (let k = 0; k < cols; k++) {
      if ((data[i * cols + k] ?? 0) === 0) continue;
      count++;
      if (k < from) from = k;
      if (k >= to) to = k + 1;
    }
  }
  return { from, to, count };
}

/** result[i, 0 .. width) = Σ a[i, k] b[k, ..] over the k where a is not zero, four of them at a time. */
function addRows(result: Matrix, a: Matrix, b: Matrix, i: number, width: number): void {
  const at: number[] = [];
  for (let k = 0; k < a.cols; k++) if ((a.data[i * a.cols + k] ?? 0) !== 0) at.push(k);
  // A factor of 0 fills up the last four.
  while (at.length % BLOCK !== 0) at.push(-1);
  const y = b.data;
  const z = result.data;
  const into = i * result.cols;
  for (let l = 0; l < at.length; l += BLOCK) {
    const [k0 = -1, k1 = -1, k2 = -1, k3 = -1] = at.slice(l, l + BLOCK);
    const factor = (k: number): number => (k < 0 ? 0 : (a.data[i * a.cols + k] ?? 0));
    const [a0, a1, a2, a3] = [factor(k0), factor(k1), factor(k2), factor(k3)];
    const b0 = Math.max(0, k0) * b.cols;
    const b1 = Math.max(0, k1) * b.cols;
    const b2 = Math.max(0, k2) * b.cols;
    const b3 = Math.max(0, k3) * b.cols;
    for (let j = 0; j < width; j++) {
      z[into + j] =
        (z[into + j] ?? 0) +
        a0 * (y[b0 + j] ?? 0) +
        a1 * (y[b1 + j] ?? 0) +
        a2 * (y[b2 + j] ?? 0) +
        a3 * (y[b3 + j] ?? 0);
    }
  }
}

import { WebMlaError } from '../../core/errors.ts';
import { BLOCK, multiplyBlock, packColumns } from './block_kernel.ts';
import { addDiagonal, checkFinite, transpose, zeros } from './matrix.ts';
import type { Matrix } from './matrix.ts';

/**
 * X of A X = B for a symmetric positive definite A, by Cholesky's A = L Lᵀ. Four rows and four columns at a time.
 * @param b [n, columns]
 * @throws WebMlaError `bad_tensor` when A is not finite, or not positive definite: damp it
 */
export function solvePositive(a: Matrix, b: Matrix): Matrix {
  checkFinite('linear system', a.data);
  checkFinite('linear system', b.data);
  const lower = factor(a);
  const upper = transpose(lower);
  const n = a.rows;
  const panels = packColumns(b.data, n, b.cols).data;
  const sums = new Float64Array(BLOCK * BLOCK);
  const result = zeros(n, b.cols);
  for (let j = 0; j < b.cols; j += BLOCK) {
    const panel = j * n;
    for (let i = 0; i < n; i += BLOCK) {
      multiplyBlock(lower.data, n, i, n - 1, panels, panel, 0, i, sums);
      const end = Math.min(n, i + BLOCK);
      for (let row = i; row < end; row++) solveRow(lower, row, i, row, panels, panel, sums, row - i);
    }
    for (let i = Math.floor((n - 1) / BLOCK) * BLOCK; i >= 0; i -= BLOCK) {
      const end = Math.min(n, i + BLOCK);
      multiplyBlock(upper.data, n, i, n - 1, panels, panel, end, n, sums);
      for (let row = end - 1; row >= i; row--)
        solveRow(upper, row, row + 1, end, panels, panel, sums, row - i);
    }
    const width = Math.min(BLOCK, b.cols - j);
    for (let i = 0; i < n; i++) {
      for (let c = 0; c < width; c++) result.data[i * b.cols + j + c] = panels[panel + i * BLOCK + c] ?? 0;
    }
  }
  return result;
}

/** Damping grows in such steps, at most so often. */
const GROWTH = { factor: 10, times: 6 };

/**
 * The same for an A that is positive definite but for rounding: moments of few tokens, summed in f32. `damping` is added to its
 * diagonal, ten times as much where that is not enough.
 * @throws WebMlaError `bad_tensor` when A is not finite, or far from positive definite
 */
export function solveDamped(a: Matrix, b: Matrix, damping: number): Matrix {
  for (let time = 1; time < GROWTH.times; time++, damping *= GROWTH.factor) {
    try {
      return solvePositive(addDiagonal(a, damping), b);
    } catch (error) {
      if (!(error instanceof WebMlaError) || error.details['pivot'] === undefined) throw error;
    }
  }
  return solvePositive(addDiagonal(a, damping), b);
}

/** One row of a panel: less `sums`, less the rows [from, to) of its own block, by the diagonal. */
function solveRow(
  { cols: n, data: l }: Matrix,
  row: number,
  from: number,
  to: number,
  panels: Float64Array,
  panel: number,
  sums: Float64Array,
  sum: number,
): void {
  const pivot = l[row * n + row] ?? 1;
  for (let c = 0; c < BLOCK; c++) {
    const at = panel + row * BLOCK + c;
    let x = (panels[at] ?? 0) - (sums[sum * BLOCK + c] ?? 0);
    for (let k = from; k < to; k++) x -= (l[row * n + k] ?? 0) * (panels[panel + k * BLOCK + c] ?? 0);
    panels[at] = x / pivot;
  }
}

/** L of A = L Lᵀ, four rows at a time from left to right; only the lower triangle of A is read. */
function factor(a: Matrix): Matrix {
  const n = a.rows;
  const l = new Float64Array(n * n);
  // The same rows as panels of Lᵀ.
  const panels = new Float64Array(Math.ceil(n / BLOCK) * BLOCK * n);
  const sums = new Float64Array(BLOCK * BLOCK);
  for (let i = 0; i < n; i += BLOCK) {
    const end = Math.min(n, i + BLOCK);
    for (let j = 0; j <= i; j += BLOCK) {
      multiplyBlock(l, n, i, n - 1, panels, j * n, 0, j, sums);
      for (let row = i; row < end; row++) {
        for (let column = j; column < Math.min(j + BLOCK, row + 1); column++) {
          let sum = (a.data[row * n + column] ?? 0) - (sums[(row - i) * BLOCK + column - j] ?? 0);
          for (let k = j; k < column; k++) sum -= (l[row * n + k] ?? 0) * (l[column * n + k] ?? 0);
          const value = column < row ? sum / (l[column * n + column] ?? 1) : rootOf(sum, row, n);
          l[row * n + column] = value;
          panels[i * n + column * BLOCK + row - i] = value;
        }
      }
    }
  }
  return { rows: n, cols: n, data: l };
}

function rootOf(pivot: number, row: number, n: number): number {
  if (pivot > 0) return Math.sqrt(pivot);
  throw new WebMlaError(
    'bad_tensor',
    `linear system: expected a positive definite matrix, got the pivot ${pivot} in row ${row} of ${n}`,
    'Calibrate on more text.',
    { pivot, row },
  );
}

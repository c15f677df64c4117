import { transpose, zeros } from './matrix.ts';
import type { Matrix } from './matrix.ts';

/** Rows of b (depth) and columns that a pass works on: 64 x 512 doubles are 256 KiB, the second-level cache of most cores. */
const DEPTH = 64;
const WIDTH = 512;

/**
 * a b. Four rows of b are added to a row of the result at a time, and are passed over where a is zero, so that a sparse
 * left side (permutations, block diagonals, frequency-wise maps) costs what it holds.
 */
export function multiply(a: Matrix, b: Matrix): Matrix {
  if (a.cols !== b.rows) throw new RangeError(`multiply: ${a.rows}x${a.cols} by ${b.rows}x${b.cols}`);
  const result = zeros(a.rows, b.cols);
  const [x, y, z] = [a.data, b.data, result.data];
  const depth = a.cols;
  const cols = b.cols;
  for (let j0 = 0; j0 < cols; j0 += WIDTH) {
    const width = Math.min(WIDTH, cols - j0);
    for (let k0 = 0; k0 < depth; k0 += DEPTH) {
      const kEnd = Math.min(depth, k0 + DEPTH);
      for (let i = 0; i < a.rows; i++) {
        const into = i * cols + j0;
        let k = k0;
        for (; k + 3 < kEnd; k += 4) {
          const from = i * depth + k;
          const a0 = x[from] ?? 0;
          const a1 = x[from + 1] ?? 0;
          const a2 = x[from + 2] ?? 0;
          const a3 = x[from + 3] ?? 0;
          if (a0 === 0 && a1 === 0 && a2 === 0 && a3 === 0) continue;
          const b0 = k * cols + j0;
          const b1 = b0 + cols;
          const b2 = b1 + cols;
          const b3 = b2 + cols;
          for (let j = 0; j < width; j++) {
            z[into + j] =
              (z[into + j] ?? 0) +
              a0 * (y[b0 + j] ?? 0) +
              a1 * (y[b1 + j] ?? 0) +
              a2 * (y[b2 + j] ?? 0) +
              a3 * (y[b3 + j] ?? 0);
          }
        }
        for (; k < kEnd; k++) {
          const a0 = x[i * depth + k] ?? 0;
          if (a0 === 0) continue;
          const b0 = k * cols + j0;
          for (let j = 0; j < width; j++) z[into + j] = (z[into + j] ?? 0) + a0 * (y[b0 + j] ?? 0);
        }
      }
    }
  }
  return result;
}

/** a bᵀ */
export function multiplyTransposed(a: Matrix, b: Matrix): Matrix {
  return multiply(a, transpose(b));
}

/** a b where b is the sparse one. */
export function multiplySparse(a: Matrix, b: Matrix): Matrix {
  return transpose(multiply(transpose(b), transpose(a)));
}

/** e c eᵀ for a symmetric c, as e (e c)ᵀ: a sparse e stands on the left both times. Symmetric to the last bit. */
export function congruence(e: Matrix, c: Matrix): Matrix {
  return symmetrized(multiplyTransposed(e, multiply(e, c)));
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

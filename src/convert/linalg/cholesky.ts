import { WebMlaError } from '../../core/errors.ts';
import { checkFinite, transpose } from './matrix.ts';
import type { Matrix } from './matrix.ts';

/**
 * X of A X = B for a symmetric positive definite A, by Cholesky's A = L Lᵀ.
 * @param b [n, columns]
 * @throws WebMlaError `bad_tensor` when A is not finite, or not positive definite: damp it
 */
export function solvePositive(a: Matrix, b: Matrix): Matrix {
  checkFinite('linear system', a.data);
  checkFinite('linear system', b.data);
  const lower = factor(a);
  const n = a.rows;
  const l = lower.data;
  // Right sides as rows, so that both substitutions walk along memory.
  const columns = transpose(b);
  for (let c = 0; c < b.cols; c++) {
    const x = columns.data.subarray(c * n, (c + 1) * n);
    for (let i = 0; i < n; i++) {
      let sum = x[i] ?? 0;
      for (let k = 0; k < i; k++) sum -= (l[i * n + k] ?? 0) * (x[k] ?? 0);
      x[i] = sum / (l[i * n + i] ?? 1);
    }
    for (let i = n - 1; i >= 0; i--) {
      const xi = (x[i] ?? 0) / (l[i * n + i] ?? 1);
      x[i] = xi;
      for (let k = 0; k < i; k++) x[k] = (x[k] ?? 0) - (l[i * n + k] ?? 0) * xi;
    }
  }
  return transpose(columns);
}

/** L of A = L Lᵀ, row by row; only the lower triangle of A is read. */
function factor(a: Matrix): Matrix {
  const n = a.rows;
  const l = new Float64Array(n * n);
  for (let i = 0; i < n; i++) {
    for (let j = 0; j <= i; j++) {
      let sum = a.data[i * n + j] ?? 0;
      for (let k = 0; k < j; k++) sum -= (l[i * n + k] ?? 0) * (l[j * n + k] ?? 0);
      if (j < i) {
        l[i * n + j] = sum / (l[j * n + j] ?? 1);
        continue;
      }
      if (!(sum > 0)) {
        throw new WebMlaError(
          'bad_tensor',
          `linear system: expected a positive definite matrix, got the pivot ${sum} in row ${i} of ${n}`,
          'Calibrate on more text.',
        );
      }
      l[i * n + i] = Math.sqrt(sum);
    }
  }
  return { rows: n, cols: n, data: l };
}

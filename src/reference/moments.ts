import { at } from './at.ts';

/**
 * C += Σ_t w_t x_t y_tᵀ. Changes and returns `sums`.
 * @param sums [n, m]
 * @param x [tokens, n]
 * @param y [tokens, m]
 * @param weights [tokens], or null: 1
 */
export function moments(
  sums: Float64Array,
  x: ArrayLike<number>,
  y: ArrayLike<number>,
  n: number,
  m: number,
  weights: ArrayLike<number> | null = null,
): Float64Array {
  for (let t = 0; t < x.length / n; t++) {
    const w = weights ? at(weights, t) : 1;
    for (let i = 0; i < n; i++) {
      for (let j = 0; j < m; j++) {
        sums[i * m + j] = at(sums, i * m + j) + w * at(x, t * n + i) * at(y, t * m + j);
      }
    }
  }
  return sums;
}

import { uniform } from '../../core/rng.ts';
import { zeros } from './matrix.ts';
import type { Matrix } from './matrix.ts';

/**
 * A random rotation, uniform (Haar) up to signs: Gaussian rows made orthonormal by Gram and Schmidt, twice. The same seed and
 * size give the same matrix everywhere.
 */
export function randomOrthogonal(size: number, seed: number): Matrix {
  const result = zeros(size, size);
  for (let i = 0; i < size; i++) {
    const row = result.data.subarray(i * size, (i + 1) * size);
    for (let j = 0; j < size; j++) row[j] = gaussian(seed, i, j);
    for (let pass = 0; pass < 2; pass++) {
      for (let k = 0; k < i; k++) {
        const other = result.data.subarray(k * size, (k + 1) * size);
        const dot = row.reduce((sum, x, j) => sum + x * (other[j] ?? 0), 0);
        for (let j = 0; j < size; j++) row[j] = (row[j] ?? 0) - dot * (other[j] ?? 0);
      }
      const norm = Math.sqrt(row.reduce((sum, x) => sum + x * x, 0));
      for (let j = 0; j < size; j++) row[j] = (row[j] ?? 0) / norm;
    }
  }
  return result;
}

/** Box and Muller, "A Note on the Generation of Random Normal Deviates", 1958. */
function gaussian(seed: number, i: number, j: number): number {
  const radius = Math.sqrt(-2 * Math.log(uniform(seed, i, 2 * j)));
  return radius * Math.cos(2 * Math.PI * uniform(seed, i, 2 * j + 1));
}

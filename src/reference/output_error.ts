import { at } from './at.ts';

/**
 * @param x [tokens, dim]
 * @param wanted [tokens, dim]
 * @returns their difference, and of each token its square and the square of what is wanted
 */
export function output_error(
  x: ArrayLike<number>,
  wanted: ArrayLike<number>,
  dim: number,
): { error: Float64Array; sums: Float64Array } {
  const error = Float64Array.from({ length: x.length }, (_, i) => at(x, i) - at(wanted, i));
  const sums = new Float64Array((2 * x.length) / dim);
  error.forEach((value, i) => {
    const t = Math.floor(i / dim);
    sums[2 * t] = at(sums, 2 * t) + value ** 2;
    sums[2 * t + 1] = at(sums, 2 * t + 1) + at(wanted, i) ** 2;
  });
  return { error, sums };
}

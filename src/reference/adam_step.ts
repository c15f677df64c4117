import { at } from './at.ts';

/** What Adam knows of a tensor: its values and the means of its gradient and of that squared. */
export interface AdamState {
  readonly value: ArrayLike<number>;
  readonly first: ArrayLike<number>;
  readonly second: ArrayLike<number>;
}

/**
 * Kingma and Ba, arXiv 1412.6980, algorithm 1, betas 0.9 and 0.98, epsilon 1e-8.
 * @param step counting from 1
 */
export function adam_step(
  { value, first, second }: AdamState,
  gradient: ArrayLike<number>,
  rate: number,
  step: number,
): { value: Float64Array; first: Float64Array; second: Float64Array } {
  const m = Float64Array.from(first, (x, i) => 0.9 * x + 0.1 * at(gradient, i));
  const v = Float64Array.from(second, (x, i) => 0.98 * x + 0.02 * at(gradient, i) ** 2);
  const moved = Float64Array.from(value, (x, i) => {
    const mean = at(m, i) / (1 - 0.9 ** step);
    const deviation = Math.sqrt(at(v, i) / (1 - 0.98 ** step));
    return x - (rate * mean) / (deviation + 1e-8);
  });
  return { value: moved, first: m, second: v };
}

import { at } from './at.ts';

/** Σ_s slices[s, i]. @param slices [.., count] */
export function add_slices(slices: ArrayLike<number>, count: number): Float64Array {
  const sums = new Float64Array(count);
  for (let i = 0; i < slices.length; i++) sums[i % count] = at(sums, i % count) + at(slices, i);
  return sums;
}

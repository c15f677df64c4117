import type { Best } from './argmax_partial.ts';

/** Index of the largest; ties go to the lowest index. */
export function argmax_final(slices: readonly Best[]): number {
  let best: Best = { value: Math.fround(-3.4e38), index: 0xffffffff };
  for (const slice of slices) if (slice.value > best.value) best = slice;
  return best.index;
}

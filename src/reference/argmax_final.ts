import { at } from './at.ts';

export interface Best {
  readonly value: number;
  /** 0xffffffff when the slice holds no number. */
  readonly index: number;
}

const NONE: Best = { value: Math.fround(-3.4e38), index: 0xffffffff };

/** Index of the largest; ties go to the lowest index. */
export function argmax_final(slices: readonly Best[]): number {
  let best = NONE;
  for (const slice of slices) if (slice.value > best.value) best = slice;
  return best.index;
}

/** What matvec with output best gives: the largest logit of each slice of `chunk`; ties go to the lowest index, NaN never wins. */
export function bestOfSlices(logits: Float32Array, chunk: number): Best[] {
  const slices: Best[] = [];
  for (let start = 0; start < logits.length; start += chunk) {
    let best = NONE;
    for (let i = start; i < Math.min(start + chunk, logits.length); i++) {
      if (at(logits, i) > best.value) best = { value: at(logits, i), index: i };
    }
    slices.push(best);
  }
  return slices;
}

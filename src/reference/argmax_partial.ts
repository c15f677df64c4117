import { at } from './at.ts';

export interface Best {
  readonly value: number;
  /** 0xffffffff when the slice holds no number. */
  readonly index: number;
}

/** Largest logit of each slice of `chunk`; ties go to the lowest index, NaN never wins. */
export function argmax_partial(logits: Float32Array, chunk: number): Best[] {
  const slices: Best[] = [];
  for (let start = 0; start < logits.length; start += chunk) {
    let best: Best = { value: Math.fround(-3.4e38), index: 0xffffffff };
    for (let i = start; i < Math.min(start + chunk, logits.length); i++) {
      if (at(logits, i) > best.value) best = { value: at(logits, i), index: i };
    }
    slices.push(best);
  }
  return slices;
}

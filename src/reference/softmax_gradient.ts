import { at } from './at.ts';

/**
 * From dL/dp to dL/ds of causal rows.
 * @param p probabilities, [heads, tokens, tokens]
 * @param gradient by them, likewise
 */
export function softmax_gradient(
  p: ArrayLike<number>,
  gradient: ArrayLike<number>,
  heads: number,
  tokens: number,
): Float64Array {
  const out = new Float64Array(heads * tokens * tokens);
  for (let row = 0; row < heads * tokens; row++) {
    let mean = 0;
    for (let n = 0; n <= row % tokens; n++) mean += at(p, row * tokens + n) * at(gradient, row * tokens + n);
    for (let n = 0; n <= row % tokens; n++) {
      out[row * tokens + n] = at(p, row * tokens + n) * (at(gradient, row * tokens + n) - mean);
    }
  }
  return out;
}

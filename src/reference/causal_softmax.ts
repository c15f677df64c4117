import { at } from './at.ts';

/** @param scores [heads, tokens, tokens] @returns the same with a softmax over n <= t in row t, 0 behind */
export function causal_softmax(scores: ArrayLike<number>, heads: number, tokens: number): Float64Array {
  const out = new Float64Array(heads * tokens * tokens);
  for (let row = 0; row < heads * tokens; row++) {
    const t = row % tokens;
    let max = -Infinity;
    for (let n = 0; n <= t; n++) max = Math.max(max, at(scores, row * tokens + n));
    let total = 0;
    for (let n = 0; n <= t; n++) total += Math.exp(at(scores, row * tokens + n) - max);
    for (let n = 0; n <= t; n++) out[row * tokens + n] = Math.exp(at(scores, row * tokens + n) - max) / total;
  }
  return out;
}

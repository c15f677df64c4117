import { at } from './at.ts';

/** log Σ e^x */
export function logSumExp(x: ArrayLike<number>): number {
  let max = -Infinity;
  for (let i = 0; i < x.length; i++) max = Math.max(max, at(x, i));
  let sum = 0;
  for (let i = 0; i < x.length; i++) sum += Math.exp(at(x, i) - max);
  return max + Math.log(sum);
}

/**
 * @param logits [tokens, vocab_size]
 * @param next the id that follows each token
 * @returns [tokens, 2]: -log softmax(logits)[next], log Σ e^logits
 */
export function score_tokens(
  logits: Float32Array,
  vocab_size: number,
  next: ArrayLike<number>,
): Float64Array {
  const out = new Float64Array((logits.length / vocab_size) * 2);
  for (let t = 0; t < logits.length / vocab_size; t++) {
    const lse = logSumExp(logits.subarray(t * vocab_size, (t + 1) * vocab_size));
    out[2 * t] = lse - at(logits, t * vocab_size + at(next, t));
    out[2 * t + 1] = lse;
  }
  return out;
}

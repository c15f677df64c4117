import { at } from './at.ts';
import { logSumExp } from './score_tokens.ts';

/**
 * @param logits [tokens, vocab_size]
 * @param other the reference's, [tokens, vocab_size]
 * @returns [tokens, 2]: KL(softmax(other) || softmax(logits)), 1 where both are largest at the same place
 */
export function compare_logits(logits: Float32Array, other: Float32Array, vocab_size: number): Float64Array {
  const out = new Float64Array((logits.length / vocab_size) * 2);
  for (let t = 0; t < logits.length / vocab_size; t++) {
    const a = logits.subarray(t * vocab_size, (t + 1) * vocab_size);
    const b = other.subarray(t * vocab_size, (t + 1) * vocab_size);
    const [lseA, lseB] = [logSumExp(a), logSumExp(b)];
    let sum = 0;
    for (let i = 0; i < vocab_size; i++) {
      sum += Math.exp(at(b, i) - lseB) * (at(b, i) - lseB - (at(a, i) - lseA));
    }
    out[2 * t] = sum;
    out[2 * t + 1] = argmax(a) === argmax(b) ? 1 : 0;
  }
  return out;
}

function argmax(x: Float32Array): number {
  let best = 0;
  for (let i = 1; i < x.length; i++) if (at(x, i) > at(x, best)) best = i;
  return best;
}

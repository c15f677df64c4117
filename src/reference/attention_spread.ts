import { at } from './at.ts';

/** One head's causal attention over a fresh row: q [tokens, qk_dim] rotated, k [tokens, qk_dim] rotated. */
export interface HeadScores {
  /** p[t][n], n <= t */
  readonly p: readonly (readonly number[])[];
  /** log Σ_n e^s, [tokens] */
  readonly lse: readonly number[];
}

export function headScores(
  q: ArrayLike<number>,
  k: ArrayLike<number>,
  qk_dim: number,
  softmax_scale: number,
): HeadScores {
  const p: number[][] = [];
  const lse: number[] = [];
  for (let t = 0; t < q.length / qk_dim; t++) {
    const scores = Array.from({ length: t + 1 }, (_, n) => {
      let dot = 0;
      for (let i = 0; i < qk_dim; i++) dot += at(q, t * qk_dim + i) * at(k, n * qk_dim + i);
      return dot * softmax_scale;
    });
    const max = scores.reduce((a, b) => Math.max(a, b));
    const total = max + Math.log(scores.reduce((sum, s) => sum + Math.exp(s - max), 0));
    lse.push(total);
    p.push(scores.map((s) => Math.exp(s - total)));
  }
  return { p, lse };
}

/**
 * a[t] = Σ_n p_tn u_n - z_t, not below 0: how far the projected values scatter round the output.
 * @param u |W_O v_n|², [tokens]
 * @param z |W_O o_t|², [tokens]
 */
export function attention_spread(p: HeadScores['p'], u: ArrayLike<number>, z: ArrayLike<number>): number[] {
  return p.map((row, t) => Math.max(0, row.reduce((sum, value, n) => sum + value * at(u, n), 0) - at(z, t)));
}

import { at } from './at.ts';
import type { HeadScores } from './attention_spread.ts';

/** Where the attention of one group of heads goes, over a whole row. */
export interface Reach {
  /** Σ_h Σ_t p_tn², [tokens] */
  readonly received: Float64Array;
  /** Σ_h Σ p_tn a[t] over t - n = δ, [tokens] */
  readonly distances: Float64Array;
}

/**
 * @param heads p of each head of the group
 * @param spread a of each head, [tokens] each
 * @param queries [first, end) of the queries that count
 * @param keys [first, end) of the keys that count
 */
export function attention_reach(
  heads: readonly HeadScores['p'][],
  spread: readonly ArrayLike<number>[],
  queries: readonly [number, number],
  keys: readonly [number, number],
): Reach {
  const tokens = heads[0]?.length ?? 0;
  const received = new Float64Array(tokens);
  const distances = new Float64Array(tokens);
  heads.forEach((p, h) => {
    const a = spread[h] ?? [];
    for (let t = queries[0]; t < Math.min(queries[1], tokens); t++) {
      for (let n = keys[0]; n < Math.min(keys[1], t + 1); n++) {
        const value = at(p[t] ?? [], n);
        received[n] = at(received, n) + value ** 2;
        distances[t - n] = at(distances, t - n) + value * at(a, t);
      }
    }
  });
  return { received, distances };
}

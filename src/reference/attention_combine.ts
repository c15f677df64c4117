import { at } from './at.ts';
import type { PartialAttention } from './attention_partial.ts';

/**
 * Joins splits: Σ_s e^(m_s - M) sums_s / Σ_s e^(m_s - M) totals_s
 * @returns [tokens, num_heads, v_dim]
 */
export function attention_combine(splits: readonly PartialAttention[], v_dim: number): Float32Array {
  const count = splits[0]?.maxima.length ?? 0;
  const out = new Float32Array(count * v_dim);
  for (let i = 0; i < count; i++) {
    const max = Math.max(...splits.map((s) => at(s.maxima, i)));
    const weights = splits.map((s) => Math.exp(at(s.maxima, i) - max));
    const total = splits.reduce((sum, s, k) => sum + at(weights, k) * at(s.totals, i), 0);
    for (let v = 0; v < v_dim; v++) {
      const sum = splits.reduce((acc, s, k) => acc + at(weights, k) * at(s.sums, i * v_dim + v), 0);
      out[i * v_dim + v] = sum / total;
    }
  }
  return out;
}

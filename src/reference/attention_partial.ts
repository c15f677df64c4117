import { at } from './at.ts';
import { rotate } from './rotate.ts';
import type { Rope } from './rotate.ts';
import { stagedRow } from './staged_row.ts';
import type { StagedForm } from './staged_row.ts';

export interface AttentionShape {
  readonly groups: number;
  readonly heads_per_group: number;
  readonly row_dim: number;
  readonly max_len: number;
  /** K and V within the staged row. */
  readonly qk_offset: number;
  readonly qk_dim: number;
  readonly v_offset: number;
  readonly v_dim: number;
  readonly softmax_scale: number;
}

export interface PartialAttention {
  /** Σ e^(s - max) V, [tokens, num_heads, v_dim] */
  readonly sums: Float32Array;
  /** Largest score, [tokens, num_heads]; -1e30 where no row is visible */
  readonly maxima: Float32Array;
  /** Σ e^(s - max), [tokens, num_heads] */
  readonly totals: Float32Array;
}

/**
 * One split of attention: tokens at position, position + 1, ... over cache rows start <= n < end, n <= own position.
 * K and V are views of the same staged row, which all heads of a group share.
 * @param q [tokens, num_heads, qk_dim], not yet rotated
 * @param cache [groups, max_len, row_dim], the values that the cache holds
 * @param rope of the queries
 */
export function attention_partial(
  q: Float32Array,
  cache: Float32Array,
  position: number,
  start: number,
  end: number,
  shape: AttentionShape,
  rope: Rope,
  form: StagedForm = { row: 'plain' },
): PartialAttention {
  const { heads_per_group, row_dim, max_len, qk_offset, qk_dim, v_offset, v_dim, softmax_scale } = shape;
  const num_heads = shape.groups * heads_per_group;
  const count = q.length / qk_dim;
  const sums = new Float32Array(count * v_dim);
  const maxima = new Float32Array(count).fill(-1e30);
  const totals = new Float32Array(count);
  const staged = Array.from({ length: shape.groups }, (_, group) =>
    Array.from({ length: Math.min(end, position + count / num_heads) }, (__, n) => {
      const first = (group * max_len + n) * row_dim;
      return n < start ? new Float32Array(0) : stagedRow(cache.slice(first, first + row_dim), n, form);
    }),
  );
  for (let i = 0; i < count; i++) {
    const own = position + Math.floor(i / num_heads);
    const group = Math.floor((i % num_heads) / heads_per_group);
    const query = rotate(q.slice(i * qk_dim, (i + 1) * qk_dim), own, rope);
    const last = Math.min(end, own + 1);
    const rows = staged[group]?.slice(start, last) ?? [];
    const scores = rows.map((row) => {
      let dot = 0;
      for (let k = 0; k < qk_dim; k++) dot += at(query, k) * at(row, qk_offset + k);
      return dot * softmax_scale;
    });
    if (scores.length === 0) continue;
    const max = scores.reduce((a, b) => Math.max(a, b));
    const weights = scores.map((score) => Math.exp(score - max));
    maxima[i] = max;
    totals[i] = weights.reduce((a, b) => a + b, 0);
    for (let v = 0; v < v_dim; v++) {
      sums[i * v_dim + v] = rows.reduce((sum, row, k) => sum + at(weights, k) * at(row, v_offset + v), 0);
    }
  }
  return { sums, maxima, totals };
}

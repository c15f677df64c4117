/**
 * What converters know of a layer: second moments of what flows through it on calibration text. y = [k ; v] is a token's keys
 * and values before rope, biases applied, 2 * num_key_value_heads * head_dim values; group j is KV head j. Matrices are row-major
 * and f64. Definitions: research/lab, `layer_stats`.
 *
 * With p the attention probabilities of head h and o_t its output, the spread a_h(t) = Σ_n p_tn |W_O,h (v_n - o_t)|² says how far
 * the output moves when a score is wrong: it weighs queries and distances.
 */
export interface LayerStatistics {
  /** Tokens seen. */
  readonly tokens: number;
  /** Every token counts the same. */
  readonly plain: Moments;
  /** A token counts by the attention it receives: Σ over heads and t of p_tn². */
  readonly attended: Moments;
  /** E[q qᵀ] summed over the heads of a group, before rope, [groups, head_dim, head_dim]. */
  readonly queries: Float64Array;
  /** E[a_h(t) q qᵀ] summed over the heads of a group, [groups, head_dim, head_dim]. */
  readonly spreadQueries: Float64Array;
  /** Mean of a_h(t), [num_attention_heads]. */
  readonly spread: Float64Array;
  /**
   * Expected rotation ρ[j, f] = Σ p_tn a_h(t) e^(-i ω_f (t - n)) / Σ p_tn a_h(t) at the distances really attended, over the heads
   * of group j: [groups, head_dim / 2, (re, im)].
   */
  readonly rotation: Float64Array;
  /**
   * As `plain`, of y = [k ; v] on the stream of the model in which TransMLA has taken the rope out of all layers (but for what it
   * keeps), of which its low-rank step is made. Belongs to one rope width; not stored. Absent: `plain` stands in.
   */
  readonly ropeRemoved?: Moments;
}

export interface Moments {
  /** Σ of the weights. */
  readonly weight: number;
  /** E[y], [2gd] */
  readonly mean: Float64Array;
  /** E[y yᵀ], not centred, [2gd, 2gd] */
  readonly second: Float64Array;
}

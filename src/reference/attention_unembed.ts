import { attention_combine } from './attention_combine.ts';
import type { PartialAttention } from './attention_partial.ts';
import { head_matmul } from './head_matmul.ts';

/** Joins splits and applies each head's matrix: [tokens, num_heads, out_dim]. @param weight [groups, out_dim, v_dim] */
export function attention_unembed(
  splits: readonly PartialAttention[],
  weight: Float32Array,
  dims: {
    readonly num_heads: number;
    readonly heads_per_group: number;
    readonly v_dim: number;
    readonly out_dim: number;
  },
): Float32Array {
  return head_matmul(weight, attention_combine(splits, dims.v_dim), { ...dims, in_dim: dims.v_dim });
}

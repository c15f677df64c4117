import type { ModelConfig } from '../core/config.ts';
import type { AttentionDims } from '../kernels/attention_partial.ts';
import { attentionRows } from '../kernels/attention_partial.ts';
import { stride } from '../kernels/parts.ts';
import type { StoreRowsDims } from '../kernels/store_rows.ts';
import type { DeviceAttention } from './weights.ts';

/** How one layer's attention maps onto the kernels: shapes, offsets, and how the cache is split. */

export interface AttentionLayout {
  readonly groups: number;
  readonly heads_per_group: number;
  readonly row_dim: number;
  readonly store: StoreRowsDims;
  readonly attend: AttentionDims;
  /** Frequency of each rope pair. */
  readonly rope_pairs: Uint32Array<ArrayBuffer>;
}

export interface CacheShape {
  readonly max_len: number;
  /** Tokens of a step at most. */
  readonly max_tokens: number;
}

/** num_splits * num_tokens at most, where attention is split: bounds the buffer of partial sums. */
export const MAX_PARTIALS = 64;
/** Workgroups that keep a GPU busy; more splits than that only cost. */
const TARGET_WORKGROUPS = 256;
/** Rows that make a split worth its partial sums. */
const MIN_SPLIT = 128;
const KEYS = 64;

export function attentionLayout(
  config: ModelConfig,
  attention: DeviceAttention,
  { max_len, max_tokens }: CacheShape,
): AttentionLayout {
  const { num_attention_heads, num_key_value_heads, head_dim } = config;
  const q_width = num_attention_heads * head_dim;
  const common = {
    rope_frequencies: head_dim / 2,
    softmax_scale: head_dim ** -0.5,
    max_len,
    max_tokens,
  };
  if (attention.form === 'gqa') {
    const groups = num_key_value_heads;
    const kv_stride = stride(q_width + 2 * groups * head_dim);
    const row_dim = 2 * head_dim;
    const rope = { rope_offset: 0, rope_dim: head_dim };
    return {
      groups,
      heads_per_group: num_attention_heads / groups,
      row_dim,
      rope_pairs: Uint32Array.from({ length: head_dim / 2 }, (_, f) => f),
      store: {
        ...common,
        ...rope,
        groups,
        row_dim,
        kv_stride,
        split_dim: head_dim,
        first_offset: q_width,
        second_offset: q_width + groups * head_dim,
      },
      attend: {
        ...common,
        ...rope,
        groups,
        heads_per_group: num_attention_heads / groups,
        row_dim,
        qk_offset: 0,
        qk_dim: head_dim,
        v_offset: head_dim,
        v_dim: head_dim,
        q_stride: kv_stride,
        q_offset: 0,
        out_stride: stride(q_width),
        max_partials: MAX_PARTIALS,
      },
    };
  }
  const { kv_lora_rank, qk_rope_head_dim, qk_offset, rope_pairs } = attention;
  const row_dim = kv_lora_rank + qk_rope_head_dim;
  const qk_dim = row_dim - qk_offset;
  const kv_stride = stride(q_width + row_dim);
  return {
    groups: 1,
    heads_per_group: num_attention_heads,
    row_dim,
    rope_pairs,
    store: {
      ...common,
      groups: 1,
      row_dim,
      rope_offset: kv_lora_rank,
      rope_dim: qk_rope_head_dim,
      kv_stride,
      split_dim: row_dim,
      first_offset: q_width,
      second_offset: 0,
    },
    attend: {
      ...common,
      groups: 1,
      heads_per_group: num_attention_heads,
      row_dim,
      qk_offset,
      qk_dim,
      v_offset: 0,
      v_dim: kv_lora_rank,
      rope_offset: kv_lora_rank - qk_offset,
      rope_dim: qk_rope_head_dim,
      q_stride: num_attention_heads * qk_dim,
      q_offset: 0,
      out_stride: num_attention_heads * kv_lora_rank,
      max_partials: MAX_PARTIALS,
    },
  };
}

/** Enough splits to fill the GPU, none shorter than it is worth, and no more partial sums than there is room for. */
export function splitCache(
  dims: AttentionDims,
  position: number,
  num_tokens: number,
): { num_splits: number; split_len: number } {
  const rows = position + num_tokens;
  const blocks = dims.groups * Math.ceil((num_tokens * dims.heads_per_group) / attentionRows(dims));
  const wanted = Math.min(
    Math.floor(rows / MIN_SPLIT),
    Math.ceil(TARGET_WORKGROUPS / blocks),
    Math.floor(MAX_PARTIALS / num_tokens),
  );
  const split_len = Math.ceil(rows / Math.max(1, wanted) / KEYS) * KEYS;
  return { num_splits: Math.ceil(rows / split_len), split_len };
}

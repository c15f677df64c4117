import { quantsPerWord } from '../core/cache_rows.ts';
import type { CacheFormat } from '../core/cache_rows.ts';
import type { ModelConfig } from '../core/config.ts';
import { latentShape } from '../core/layers.ts';
import { rotaryDim } from '../core/rope.ts';
import { stagedDim } from '../kernels/attention_partial.ts';
import type { AttentionDims } from '../kernels/attention_partial.ts';
import type { AttentionAdapter } from '../kernels/attention_tuning.ts';
import { stride } from '../kernels/parts.ts';
import type { RowForm } from '../kernels/parts.ts';
import type { StoreRowsDims } from '../kernels/store_rows.ts';
import { MAX_PARTIALS } from './split_cache.ts';
import type { DeviceAttention } from './weights.ts';

/** How one layer's attention maps onto the kernels: shapes, offsets, and what becomes of a cache row when it is read. */

export interface AttentionLayout {
  readonly row: RowForm;
  readonly store: StoreRowsDims;
  readonly attend: AttentionDims;
  /** Frequency of each rope pair. */
  readonly rope_pairs: Uint32Array<ArrayBuffer>;
}

export interface CachePlan {
  readonly max_len: number;
  /** Tokens of a step at most. */
  readonly max_tokens: number;
  readonly format: CacheFormat;
  readonly adapter: AttentionAdapter;
}

type DeviceGqa = Extract<DeviceAttention, { form: 'gqa' }>;
type DeviceMla = Exclude<DeviceAttention, DeviceGqa>;

export function attentionLayout(
  config: ModelConfig,
  attention: DeviceAttention,
  cache: CachePlan,
): AttentionLayout {
  return attention.form === 'gqa' ? gqaLayout(config, cache) : mlaLayout(config, attention, cache);
}

function commonDims(
  config: ModelConfig,
  { max_len, max_tokens }: CachePlan,
): Pick<AttentionDims, 'rope_frequencies' | 'softmax_scale' | 'max_len' | 'max_tokens'> {
  return {
    rope_frequencies: rotaryDim(config) / 2,
    softmax_scale: config.head_dim ** -0.5,
    max_len,
    max_tokens,
  };
}

/** Keys are rotated when they are stored; where they are quantised, when they are read: un-rotated they have a range of their own. */
function gqaLayout(config: ModelConfig, cache: CachePlan): AttentionLayout {
  const { num_attention_heads, num_key_value_heads: groups, head_dim } = config;
  const q_width = num_attention_heads * head_dim;
  const kv_stride = stride(q_width + 2 * groups * head_dim);
  const late = quantsPerWord(cache.format) !== null;
  const shape = {
    ...commonDims(config, cache),
    groups,
    row_dim: 2 * head_dim,
    split_dim: head_dim,
    rope_offset: 0,
  };
  return {
    row: late ? 'rotate' : 'plain',
    rope_pairs: Uint32Array.from({ length: head_dim / 2 }, (_, f) => f),
    store: {
      ...shape,
      rope_dim: late ? 0 : head_dim,
      kv_stride,
      first_offset: q_width,
      second_offset: q_width + groups * head_dim,
    },
    attend: {
      ...shape,
      heads_per_group: num_attention_heads / groups,
      staged_dim: 2 * head_dim,
      qk_offset: 0,
      qk_dim: head_dim,
      v_offset: head_dim,
      v_dim: head_dim,
      rope_dim: head_dim,
      key_rope_offset: 0,
      q_stride: kv_stride,
      q_offset: 0,
      out_stride: stride(q_width),
      max_partials: MAX_PARTIALS,
      append: null,
      keeps_partials: false,
      adapter: cache.adapter,
    },
  };
}

/** All heads share one row. strict rotates its key when it is stored, reuse and recon when they read it. */
function mlaLayout(config: ModelConfig, attention: DeviceMla, cache: CachePlan): AttentionLayout {
  const { num_attention_heads, head_dim } = config;
  const { latent, kv_lora_rank, qk_rope_head_dim, qk_offset, rope_pairs } = attention;
  const { row_dim, qk_dim, v_dim } = latentShape(attention);
  // Folded projections leave queries that fit the row, and read what attention gives.
  const folded = attention.embed_q === null;
  const q_width = num_attention_heads * (folded ? qk_dim : head_dim);
  const kv_stride = stride(q_width + row_dim);
  const out_width = num_attention_heads * v_dim;
  const row: RowForm = latent === 'strict' ? 'plain' : latent;
  const shape = { ...commonDims(config, cache), groups: 1, row_dim, split_dim: kv_lora_rank };
  return {
    row,
    rope_pairs,
    store: {
      ...shape,
      rope_offset: kv_lora_rank,
      rope_dim: latent === 'strict' ? qk_rope_head_dim : 0,
      kv_stride,
      first_offset: q_width,
      second_offset: q_width + kv_lora_rank,
    },
    attend: {
      ...shape,
      heads_per_group: num_attention_heads,
      staged_dim: stagedDim(row, row_dim, qk_rope_head_dim),
      qk_offset,
      qk_dim,
      v_offset: 0,
      v_dim,
      rope_offset: qk_dim - qk_rope_head_dim,
      rope_dim: qk_rope_head_dim,
      key_rope_offset: latent === 'recon' ? 0 : kv_lora_rank,
      q_stride: folded ? kv_stride : num_attention_heads * qk_dim,
      q_offset: 0,
      out_stride: attention.unembed_out === null ? stride(out_width) : out_width,
      max_partials: MAX_PARTIALS,
      append: null,
      keeps_partials: false,
      adapter: cache.adapter,
    },
  };
}

import type { PackedTensor } from './packed.ts';

/** A layer's weights between the file and the GPU, under the names of transformers' checkpoints. */

/** y = W x + b. Pieces lie one under the other: formats may differ between them (a Q6_K v_proj under a Q4_K k_proj). */
export interface Linear {
  readonly pieces: readonly PackedTensor[];
  readonly bias: Float32Array<ArrayBuffer> | null;
}

export interface GqaAttention {
  readonly form: 'gqa';
  /** [num_attention_heads * head_dim, hidden_size] */
  readonly q_proj: Linear;
  /** [num_key_value_heads * head_dim, hidden_size] */
  readonly k_proj: Linear;
  readonly v_proj: Linear;
  /** [hidden_size, num_attention_heads * head_dim] */
  readonly o_proj: Linear;
}

/**
 * Multi-head Latent Attention in absorbed form, groups of heads sharing their up-projections (so converted GQA keeps
 * num_key_value_heads copies and not num_attention_heads; native MLA has groups = num_attention_heads).
 *
 * A cache row is [c_kv (kv_lora_rank) | k_pe (qk_rope_head_dim, rotated)]. With x_n the row of token n and h of group j:
 *   score = softmax_scale * rotate(embed_q[j] q_h) . x_n[qk_offset ..]        out_h = unembed_out[j] Σ p_n c_kv,n
 */
export interface MlaAttention {
  readonly form: 'mla';
  readonly kv_lora_rank: number;
  readonly qk_rope_head_dim: number;
  /** Where the part of the row that keys use begins; it reaches to the row's end. kv_lora_rank: scores do not read c_kv. */
  readonly qk_offset: number;
  /** Groups of heads: matrices in embed_q and unembed_out. */
  readonly groups: number;
  /** [num_attention_heads * head_dim, hidden_size] */
  readonly q_proj: Linear;
  /** [kv_lora_rank + qk_rope_head_dim, hidden_size]; k_pe half-split over its whole length */
  readonly kv_a_proj: Linear;
  /** [groups * (kv_lora_rank + qk_rope_head_dim - qk_offset), head_dim] */
  readonly embed_q: PackedTensor;
  /** [groups * head_dim, kv_lora_rank] */
  readonly unembed_out: PackedTensor;
  /** [hidden_size, num_attention_heads * head_dim] */
  readonly o_proj: Linear;
  /** Frequency index of each rope pair, [qk_rope_head_dim / 2]. */
  readonly rope_pairs: Uint32Array<ArrayBuffer>;
}

export interface Mlp {
  readonly gate_proj: Linear;
  readonly up_proj: Linear;
  readonly down_proj: Linear;
}

export interface DecoderLayer<Attention = GqaAttention | MlaAttention> {
  readonly input_layernorm: Float32Array<ArrayBuffer>;
  readonly self_attn: Attention;
  readonly post_attention_layernorm: Float32Array<ArrayBuffer>;
  readonly mlp: Mlp;
}

/** What stands outside the layers. lm_head null: tied to embed_tokens. */
export interface DecoderEnds {
  readonly embed_tokens: PackedTensor;
  readonly norm: Float32Array<ArrayBuffer>;
  readonly lm_head: PackedTensor | null;
}

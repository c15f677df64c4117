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
 * Where the rope key of a cached token comes from (research/lab: "Three cache forms").
 *  strict  it lies in the row, rotated when it was stored; content never reads it (DeepSeek-V2's form, arXiv 2405.04434)
 *  reuse   it lies in the row un-rotated, is rotated when it is read, and is content besides
 *  recon   it is rebuilt from the row by rope_rebuild when it is read, then rotated
 */
export type LatentForm = 'strict' | 'reuse' | 'recon';

/**
 * Multi-head Latent Attention in absorbed form, groups of heads sharing their up-projections (so converted GQA keeps
 * num_key_value_heads copies and not num_attention_heads; native MLA has groups = num_attention_heads).
 *
 * A cache row x_n is [c_kv (kv_lora_rank) | k_pe (qk_rope_head_dim)], in recon c_kv alone. With h of group j:
 *   score = softmax_scale * (content_h . x_n[qk_offset ..] + rotate_t(rope_h) . k_n)     [content_h ; rope_h] = embed_q[j] q_h
 *   out_h = unembed_out[j] Σ p_n x_n[.. v_dim]
 * k_n: strict: k_pe as it lies there; reuse: rotate_n(k_pe); recon: rotate_n(rope_rebuild c_kv). strict: content is c_kv only.
 */
export interface MlaAttention {
  readonly form: 'mla';
  readonly latent: LatentForm;
  readonly kv_lora_rank: number;
  readonly qk_rope_head_dim: number;
  /** strict: where the part of c_kv that scores read begins; it reaches to c_kv's end. kv_lora_rank: scores do not read c_kv. Else 0. */
  readonly qk_offset: number;
  /** Groups of heads: matrices in embed_q and unembed_out. */
  readonly groups: number;
  /** [num_attention_heads * head_dim, hidden_size] */
  readonly q_proj: Linear;
  /** [row_dim, hidden_size]; k_pe half-split over its whole length */
  readonly kv_a_proj: Linear;
  /** [groups * qk_dim, head_dim] */
  readonly embed_q: PackedTensor;
  /** [groups * head_dim, v_dim] */
  readonly unembed_out: PackedTensor;
  /** [hidden_size, num_attention_heads * head_dim] */
  readonly o_proj: Linear;
  /** Frequency index of each rope pair, [qk_rope_head_dim / 2]; an index may come several times. */
  readonly rope_pairs: Uint32Array<ArrayBuffer>;
  /** recon: [qk_rope_head_dim, kv_lora_rank] with its bias; else null. */
  readonly rope_rebuild: Linear | null;
  /** reuse: what a quantised cache leaves out of k_pe, to be added when it is read, [qk_rope_head_dim]; null: nothing. */
  readonly rope_mean: Float32Array<ArrayBuffer> | null;
}

/**
 * MLA as it is run, where products of two matrices may have been made ahead. embed_q null: q_proj gives queries that fit the
 * row, [heads * qk_dim, hidden_size]. unembed_out null: o_proj reads Σ p x as it is, [hidden_size, heads * v_dim].
 */
export interface FoldableMla extends Omit<MlaAttention, 'embed_q' | 'unembed_out'> {
  readonly embed_q: PackedTensor | null;
  readonly unembed_out: PackedTensor | null;
}

/** Widths that follow from the form. */
export interface LatentShape {
  /** Values of a cache row. */
  readonly row_dim: number;
  /** Values of a query: content, then qk_rope_head_dim of rope. */
  readonly qk_dim: number;
  /** Leading values of the row that are content for the output. */
  readonly v_dim: number;
}

export function latentShape({
  latent,
  kv_lora_rank,
  qk_rope_head_dim,
  qk_offset,
}: Pick<MlaAttention, 'latent' | 'kv_lora_rank' | 'qk_rope_head_dim' | 'qk_offset'>): LatentShape {
  const row_dim = latent === 'recon' ? kv_lora_rank : kv_lora_rank + qk_rope_head_dim;
  const v_dim = latent === 'reuse' ? row_dim : kv_lora_rank;
  return { row_dim, qk_dim: v_dim - qk_offset + qk_rope_head_dim, v_dim };
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

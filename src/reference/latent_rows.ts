import { latentShape } from '../core/layers.ts';
import type { MlaAttention } from '../core/layers.ts';
import { at } from './at.ts';
import { linear, rotateRows } from './linear.ts';

/** What scores and outputs read of the cache rows of a sequence (core/layers.ts, LatentForm). */
export interface LatentRows {
  /** [tokens, content_dim]: what content queries meet. */
  readonly content: Float32Array;
  readonly content_dim: number;
  /** [tokens, qk_rope_head_dim], rotated. */
  readonly rope: Float32Array;
  /** [tokens, v_dim] */
  readonly values: Float32Array;
  readonly v_dim: number;
}

/**
 * @param rows [tokens, row_dim] as kv_a_proj makes them: k_pe not rotated, its mean left out where rope_mean has one
 * @param table [positions, frequencies, 2] (cos, sin)
 */
export function readLatentRows(
  attn: MlaAttention,
  rows: Float32Array,
  table: Float32Array,
  frequencies: number,
): LatentRows {
  const { latent, kv_lora_rank: r, qk_rope_head_dim, qk_offset, rope_pairs, rope_mean } = attn;
  const { row_dim, v_dim, qk_dim } = latentShape(attn);
  const content_dim = qk_dim - qk_rope_head_dim;
  const whole = rope_mean
    ? rows.map((x, i) => (i % row_dim < r ? x : x + at(rope_mean, (i % row_dim) - r)))
    : rows;
  const key =
    latent === 'recon' && attn.rope_rebuild
      ? linear(attn.rope_rebuild, whole)
      : columns(whole, row_dim, r, qk_rope_head_dim);
  return {
    content: columns(whole, row_dim, qk_offset, content_dim),
    content_dim,
    rope: rotateRows(key, qk_rope_head_dim, rope_pairs, 0, table, frequencies),
    values: columns(whole, row_dim, 0, v_dim),
    v_dim,
  };
}

/** The slice of every row of x [tokens, width] from `start`, `length` long. */
export function columns(x: Float32Array, width: number, start: number, length: number): Float32Array {
  const out = new Float32Array((x.length / width) * length);
  for (let t = 0; t < x.length / width; t++) {
    out.set(x.subarray(t * width + start, t * width + start + length), t * length);
  }
  return out;
}

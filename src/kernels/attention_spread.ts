import source from '../../shaders/attention_spread.wgsl?raw';
import { defineKernel, readonly, uniform, writable } from '../gpu/kernel.ts';
import { f32, u32 } from '../gpu/link.ts';
import type { Constant } from '../gpu/link.ts';
import { STEP_BYTES } from '../gpu/step.ts';
import { ROTATE, SCORE_TILE, STEP } from './parts.ts';

/** Attention over a whole fresh row of tokens, GQA with an f32 cache whose rows begin with rotated keys. */
export interface WholeAttentionDims {
  readonly groups: number;
  readonly heads_per_group: number;
  readonly head_dim: number;
  readonly row_dim: number;
  readonly rope_frequencies: number;
  readonly softmax_scale: number;
  readonly q_stride: number;
  readonly q_offset: number;
  readonly max_len: number;
  readonly max_tokens: number;
}

export const headsOf = ({ groups, heads_per_group }: WholeAttentionDims): number => groups * heads_per_group;

/** Tiles of 64 tokens. */
export const tilesOf = (max_tokens: number): number => Math.ceil(max_tokens / 64);

export function wholeAttentionConstants(dims: WholeAttentionDims): Record<string, Constant> {
  return {
    heads_per_group: u32(dims.heads_per_group),
    num_heads: u32(headsOf(dims)),
    head_dim: u32(dims.head_dim),
    row_dim: u32(dims.row_dim),
    rope_frequencies: u32(dims.rope_frequencies),
    softmax_scale: f32(dims.softmax_scale),
    q_stride: u32(dims.q_stride),
    q_offset: u32(dims.q_offset),
    max_len: u32(dims.max_len),
  };
}

/** Bytes of the inputs and of a value for every token and head. */
export function wholeAttentionBytes(dims: WholeAttentionDims): {
  q: number;
  cache: number;
  rope_table: number;
  rope_pairs: number;
  perHead: number;
} {
  const heads = headsOf(dims);
  return {
    q: ((dims.max_tokens - 1) * dims.q_stride + dims.q_offset + heads * dims.head_dim) * 4,
    cache: dims.groups * dims.max_len * dims.row_dim * 4,
    rope_table: dims.max_tokens * dims.rope_frequencies * 8,
    rope_pairs: dims.head_dim * 2,
    perHead: dims.max_tokens * heads * 4,
  };
}

export function refuseWholeAttention(dims: WholeAttentionDims): string | null {
  if (dims.head_dim % 8 !== 0) return `head_dim: expected a multiple of 8, got ${dims.head_dim}`;
  const fours = [dims.row_dim, dims.q_stride, dims.q_offset];
  return fours.some((n) => n % 4 !== 0) ? `strides: expected multiples of 4, got ${fours.join(', ')}` : null;
}

/** lse[t, h] and a[t, h] */
export const attention_spread = defineKernel({
  name: 'attention_spread',
  source,
  includes: [STEP, ROTATE, SCORE_TILE],
  parts: {},
  constants: (dims: WholeAttentionDims) => wholeAttentionConstants(dims),
  bindings: (dims) => {
    const { q, cache, rope_table, rope_pairs, perHead } = wholeAttentionBytes(dims);
    return {
      q: readonly(q),
      cache: readonly(cache),
      rope_table: readonly(rope_table),
      rope_pairs: readonly(rope_pairs),
      value_forms: readonly(perHead),
      output_forms: readonly(perHead),
      lse: writable(perHead),
      spread: writable(perHead),
      step: uniform(STEP_BYTES),
    };
  },
  grid: (dims) => (step) => [headsOf(dims), tilesOf(step.num_tokens), 1],
  refuse: refuseWholeAttention,
});

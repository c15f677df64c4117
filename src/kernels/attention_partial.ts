import source from '../../shaders/attention_partial.wgsl?raw';
import { defineKernel, readonly, uniform, writable } from '../gpu/kernel.ts';
import { f32, u32 } from '../gpu/link.ts';
import type { Step } from '../gpu/step.ts';
import { STEP_BYTES } from '../gpu/step.ts';
import { CACHE, CACHE_BYTES, ROTATE, STEP } from './parts.ts';

/** One family: (groups, heads per group, qk dim, v dim, both views of the same row). Offsets are elements of the row. */
export interface AttentionDims {
  readonly groups: number;
  readonly heads_per_group: number;
  readonly row_dim: number;
  readonly qk_offset: number;
  readonly qk_dim: number;
  readonly v_offset: number;
  readonly v_dim: number;
  /** The rotated region of a query, from the query's first element. */
  readonly rope_offset: number;
  readonly rope_dim: number;
  readonly rope_frequencies: number;
  readonly softmax_scale: number;
  readonly q_stride: number;
  readonly q_offset: number;
  readonly out_stride: number;
  readonly max_len: number;
  readonly max_tokens: number;
  /** num_splits * num_tokens at most, where num_splits > 1. */
  readonly max_partials: number;
}

/** Query rows of a workgroup: as many as registers and 12 kB of workgroup memory hold, and no more than there are. */
export function attentionRows({ heads_per_group, qk_dim, v_dim, max_tokens }: AttentionDims): number {
  const wanted = Math.min(16, heads_per_group * max_tokens);
  return Math.max(1, Math.min(wanted, Math.floor(2048 / qk_dim), Math.floor(4096 / v_dim)));
}

/** What desktop and recent mobile GPUs have. */
const MAX_WORKGROUP_BYTES = 32768;
const KEYS = 64;

function workgroupBytes(dims: AttentionDims): number {
  return attentionRows(dims) * (dims.qk_dim + KEYS + 3) * 4;
}

export function partialsBytes(dims: AttentionDims): number {
  return dims.max_partials * dims.groups * dims.heads_per_group * (dims.v_dim + 4) * 4;
}

/** Attention of the step's tokens over the cache, split by cache rows; rotates the queries. */
export const attention_partial = defineKernel({
  name: 'attention_partial',
  source,
  includes: [STEP, ROTATE],
  parts: { cache: CACHE },
  constants: (dims: AttentionDims) => ({
    heads_per_group: u32(dims.heads_per_group),
    num_heads: u32(dims.groups * dims.heads_per_group),
    row_dim: u32(dims.row_dim),
    qk_offset: u32(dims.qk_offset),
    qk_dim: u32(dims.qk_dim),
    v_offset: u32(dims.v_offset),
    v_dim: u32(dims.v_dim),
    rope_offset: u32(dims.rope_offset),
    rope_dim: u32(dims.rope_dim),
    rope_frequencies: u32(dims.rope_frequencies),
    softmax_scale: f32(dims.softmax_scale),
    q_stride: u32(dims.q_stride),
    q_offset: u32(dims.q_offset),
    out_stride: u32(dims.out_stride),
    max_len: u32(dims.max_len),
    ROWS: u32(attentionRows(dims)),
  }),
  bindings: (dims, { cache }) => {
    const heads = dims.groups * dims.heads_per_group;
    const before = dims.max_tokens - 1;
    return {
      q: readonly((before * dims.q_stride + dims.q_offset + heads * dims.qk_dim) * 4),
      cache: readonly(dims.groups * dims.max_len * dims.row_dim * CACHE_BYTES[cache]),
      rope_table: readonly(dims.max_len * dims.rope_frequencies * 8),
      rope_pairs: readonly(dims.rope_dim * 2),
      out: writable((before * dims.out_stride + heads * dims.v_dim) * 4),
      partials: writable(partialsBytes(dims)),
      step: uniform(STEP_BYTES),
    };
  },
  grid: (dims) => (step) => [
    step.num_splits,
    dims.groups,
    Math.ceil((step.num_tokens * dims.heads_per_group) / attentionRows(dims)),
  ],
  refuse: (dims) => {
    const fours = [dims.row_dim, dims.qk_offset, dims.qk_dim, dims.v_offset, dims.v_dim, dims.rope_offset];
    fours.push(dims.q_stride, dims.q_offset, dims.out_stride);
    if (fours.some((n) => n % 4 !== 0))
      return `dims, offsets and strides: expected multiples of 4, got ${fours.join(', ')}`;
    if (dims.rope_dim % 8 !== 0) return `rope_dim: expected a multiple of 8, got ${dims.rope_dim}`;
    if (workgroupBytes(dims) > MAX_WORKGROUP_BYTES) {
      return `qk_dim ${dims.qk_dim} needs ${workgroupBytes(dims)} bytes of workgroup memory, more than ${MAX_WORKGROUP_BYTES}`;
    }
    if (dims.qk_offset + dims.qk_dim > dims.row_dim || dims.v_offset + dims.v_dim > dims.row_dim) {
      return `K and V: expected to lie within the row of ${dims.row_dim}`;
    }
    return null;
  },
  bytesMoved: (dims, step, { cache }) => attentionBytes(dims, step, CACHE_BYTES[cache]),
});

/** Each cache row is read once per group; queries, output and partial sums are small beside it. */
function attentionBytes(dims: AttentionDims, step: Step, cacheBytes: number): number {
  const heads = dims.groups * dims.heads_per_group;
  const rows = (step.position + step.num_tokens) * dims.groups * dims.row_dim * cacheBytes;
  const sums = step.num_splits === 1 ? heads * dims.v_dim : step.num_splits * heads * (dims.v_dim + 4);
  return rows + step.num_tokens * (heads * dims.qk_dim + sums) * 4;
}

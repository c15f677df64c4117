import source from '../../shaders/head_matmul.wgsl?raw';
import { groupsOf } from '../core/packed.ts';
import { defineKernel, readonly, writable } from '../gpu/kernel.ts';
import { u32 } from '../gpu/link.ts';
import { GROUP_STRUCT, WEIGHT, weightBytes } from './parts.ts';

export interface HeadMatmulDims {
  readonly num_heads: number;
  /** Heads that share a matrix. */
  readonly heads_per_group: number;
  readonly in_dim: number;
  readonly out_dim: number;
  readonly x_stride: number;
  readonly x_offset: number;
  readonly out_stride: number;
  readonly max_tokens: number;
}

/** out[t, h] = W[group of h] x[t, h]: embed_q and unembed_out of absorbed MLA. */
export const head_matmul = defineKernel({
  name: 'head_matmul',
  source,
  includes: [GROUP_STRUCT],
  parts: { weight: WEIGHT },
  constants: (dims: HeadMatmulDims) => ({
    in_dim: u32(dims.in_dim),
    in_groups: u32(groupsOf(dims.in_dim)),
    out_dim: u32(dims.out_dim),
    heads_per_group: u32(dims.heads_per_group),
    x_stride: u32(dims.x_stride),
    x_offset: u32(dims.x_offset),
    out_stride: u32(dims.out_stride),
  }),
  bindings: (dims, { weight }) => {
    const rows = (dims.num_heads / dims.heads_per_group) * dims.out_dim;
    const bytes = weightBytes(rows, dims.in_dim, weight);
    const before = dims.max_tokens - 1;
    return {
      weight: readonly(bytes.quants),
      scales: readonly(bytes.scales),
      x: readonly((before * dims.x_stride + dims.x_offset + dims.num_heads * dims.in_dim) * 4),
      out: writable((before * dims.out_stride + dims.num_heads * dims.out_dim) * 4),
    };
  },
  grid: (dims) => (step) => [Math.ceil(dims.out_dim / 64), dims.num_heads, step.num_tokens],
  refuse: ({ in_dim, x_stride, x_offset, num_heads, heads_per_group }) => {
    if (in_dim % 4 !== 0 || x_stride % 4 !== 0 || x_offset % 4 !== 0) {
      return `in_dim, x_stride, x_offset: expected multiples of 4, got ${in_dim}, ${x_stride}, ${x_offset}`;
    }
    return num_heads % heads_per_group === 0
      ? null
      : `${num_heads} heads do not divide by ${heads_per_group}`;
  },
  bytesMoved: (dims, step, { weight }) => {
    const bytes = weightBytes((dims.num_heads / dims.heads_per_group) * dims.out_dim, dims.in_dim, weight);
    return bytes.quants + bytes.scales + step.num_tokens * dims.num_heads * (dims.in_dim + dims.out_dim) * 4;
  },
});

import source from '../../shaders/store_rows.wgsl?raw';
import { cacheBytes, cacheBytesPerToken } from '../core/cache_rows.ts';
import type { CacheShape } from '../core/cache_rows.ts';
import { defineKernel, readonly, uniform, writable } from '../gpu/kernel.ts';
import { u32 } from '../gpu/link.ts';
import { STEP_BYTES } from '../gpu/step.ts';
import { blockQuads, cacheConstants } from './cache_constants.ts';
import { ROTATE, STEP, STORE } from './parts.ts';

/** The row's values below split_dim come from first_offset + g * split_dim, the others from second_offset + g * their number. */
export interface StoreRowsDims extends CacheShape {
  /** The rotated region within the row; rope_dim 0 rotates nothing. */
  readonly rope_offset: number;
  readonly rope_dim: number;
  readonly rope_frequencies: number;
  readonly kv_stride: number;
  readonly first_offset: number;
  readonly second_offset: number;
  readonly max_tokens: number;
}

/** cache[g, position + t] = kv[t, g], its rope region rotated. */
export const store_rows = defineKernel({
  name: 'store_rows',
  source,
  includes: [STEP, ROTATE],
  parts: { store: STORE },
  constants: (dims: StoreRowsDims, { store }) => ({
    ...cacheConstants(dims, store),
    BLOCK: u32(blockQuads(store)),
    rope_offset: u32(dims.rope_offset),
    rope_dim: u32(dims.rope_dim),
    rope_frequencies: u32(dims.rope_frequencies),
    kv_stride: u32(dims.kv_stride),
    first_offset: u32(dims.first_offset),
    second_offset: u32(dims.second_offset),
  }),
  bindings: (dims, { store }) => ({
    kv: readonly(((dims.max_tokens - 1) * dims.kv_stride + kvEnd(dims)) * 4),
    rope_table: readonly(dims.max_len * dims.rope_frequencies * 8),
    rope_pairs: readonly(dims.rope_dim * 2),
    cache: writable(cacheBytes(dims, store)),
    step: uniform(STEP_BYTES),
  }),
  grid: (dims, { store }) => {
    const values = 4 * blockQuads(store);
    const blocks = Math.ceil(dims.split_dim / values) + Math.ceil((dims.row_dim - dims.split_dim) / values);
    return (step) => [Math.ceil(blocks / 64), dims.groups, step.num_tokens];
  },
  refuse: (dims) => {
    const fours = [
      dims.row_dim,
      dims.rope_offset,
      dims.kv_stride,
      dims.split_dim,
      dims.first_offset,
      dims.second_offset,
    ];
    if (fours.some((n) => n % 4 !== 0))
      return `dims, offsets and strides: expected multiples of 4, got ${fours.join(', ')}`;
    return dims.rope_dim % 8 === 0 ? null : `rope_dim: expected a multiple of 8, got ${dims.rope_dim}`;
  },
  bytesMoved: (dims, step, { store }) =>
    step.num_tokens * (dims.groups * dims.row_dim * 4 + cacheBytesPerToken(dims, store) + dims.rope_dim * 4),
});

/** One behind the last element of a token's row that is read. */
function kvEnd(dims: StoreRowsDims): number {
  const first = dims.first_offset + dims.groups * dims.split_dim;
  const second = dims.second_offset + dims.groups * (dims.row_dim - dims.split_dim);
  return dims.split_dim < dims.row_dim ? Math.max(first, second) : first;
}

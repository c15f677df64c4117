import source from '../../shaders/store_rows.wgsl?raw';
import { cacheBytes, cacheBytesPerToken } from '../core/cache_rows.ts';
import type { CacheShape } from '../core/cache_rows.ts';
import { defineKernel, readonly, uniform, writable } from '../gpu/kernel.ts';
import { u32 } from '../gpu/link.ts';
import { STEP_BYTES } from '../gpu/step.ts';
import { blockQuads, cacheConstants, newRowConstants, newRowEnd } from './cache_constants.ts';
import type { NewRow } from './cache_constants.ts';
import { CACHE, NEW_ROW, ROTATE, STEP } from './parts.ts';

export interface StoreRowsDims extends CacheShape, NewRow {
  readonly rope_frequencies: number;
  readonly max_tokens: number;
}

/** cache[g, position + t] = kv[t, g], its rope region rotated. */
export const store_rows = defineKernel({
  name: 'store_rows',
  source,
  includes: [STEP, ROTATE, NEW_ROW],
  parts: { cache: CACHE },
  constants: (dims: StoreRowsDims, { cache }) => ({
    ...cacheConstants(dims, cache),
    ...newRowConstants(dims, cache),
    rope_frequencies: u32(dims.rope_frequencies),
  }),
  bindings: (dims, { cache }) => ({
    kv: readonly(((dims.max_tokens - 1) * dims.kv_stride + newRowEnd(dims, dims)) * 4),
    rope_table: readonly(dims.max_len * dims.rope_frequencies * 8),
    rope_pairs: readonly(dims.rope_dim * 2),
    cache: writable(cacheBytes(dims, cache)),
    step: uniform(STEP_BYTES),
  }),
  grid: (dims, { cache }) => {
    const values = 4 * blockQuads(cache);
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
  bytesMoved: (dims, step, { cache }) =>
    step.num_tokens * (dims.groups * dims.row_dim * 4 + cacheBytesPerToken(dims, cache) + dims.rope_dim * 4),
});

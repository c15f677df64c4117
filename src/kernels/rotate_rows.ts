import source from '../../shaders/rotate_rows.wgsl?raw';
import { defineKernel, readonly, writable } from '../gpu/kernel.ts';
import { bool, u32 } from '../gpu/link.ts';

export interface RotateRowsDims {
  readonly tokens: number;
  /** Vectors of a token, one behind the other, each of 2 `pairs` values. */
  readonly vectors: number;
  readonly pairs: number;
  readonly x: { readonly stride: number; readonly offset: number };
  readonly out: { readonly stride: number; readonly offset: number };
  readonly rope_frequencies: number;
  /** The transpose of the rotation: the way of a gradient. */
  readonly inverse: boolean;
  /** out += */
  readonly accumulate: boolean;
}

/** out[t, v] = R_t x[t, v] of token t at position t */
export const rotate_rows = defineKernel({
  name: 'rotate_rows',
  source,
  includes: [],
  parts: {},
  constants: (dims: RotateRowsDims) => ({
    vectors: u32(dims.vectors),
    pairs: u32(dims.pairs),
    x_stride: u32(dims.x.stride),
    x_offset: u32(dims.x.offset),
    out_stride: u32(dims.out.stride),
    out_offset: u32(dims.out.offset),
    rope_frequencies: u32(dims.rope_frequencies),
    backwards: bool(dims.inverse),
    accumulate: bool(dims.accumulate),
  }),
  bindings: ({ tokens, vectors, pairs, x, out, rope_frequencies }) => {
    const end = (side: RotateRowsDims['x']): number =>
      ((tokens - 1) * side.stride + side.offset + vectors * 2 * pairs) * 4;
    return {
      x: readonly(end(x)),
      rope_table: readonly(tokens * rope_frequencies * 8),
      rope_pairs: readonly(pairs * 4),
      out: writable(end(out)),
    };
  },
  grid: ({ tokens, vectors, pairs }) => [Math.ceil((vectors * pairs) / 64), tokens, 1],
  refuse: ({ tokens, vectors, pairs }) =>
    Math.min(tokens, vectors, pairs) >= 1 && tokens <= 65535
      ? null
      : `tokens, vectors, pairs: expected at least 1 each, got ${tokens}, ${vectors}, ${pairs}`,
});

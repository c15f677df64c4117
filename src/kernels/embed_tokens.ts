import source from '../../shaders/embed_tokens.wgsl?raw';
import { groupsOf } from '../core/packed.ts';
import { defineKernel, readonly, uniform, writable } from '../gpu/kernel.ts';
import { u32 } from '../gpu/link.ts';
import { STEP_BYTES } from '../gpu/step.ts';
import { GROUP_STRUCT, STEP, stride, WEIGHT, weightBytes } from './parts.ts';

export interface EmbedTokensDims {
  /** Elements of a row of the table. */
  readonly in_dim: number;
  /** The rows of the table that this piece holds. */
  readonly row_offset: number;
  readonly rows: number;
  /** Tokens that `tokens` has room for, and tokens of a step at most. */
  readonly context: number;
  readonly max_tokens: number;
}

/** hidden[t] = embed_tokens[tokens[position + t]] */
export const embed_tokens = defineKernel({
  name: 'embed_tokens',
  source,
  includes: [STEP, GROUP_STRUCT],
  parts: { weight: WEIGHT },
  constants: ({ in_dim, row_offset, rows }: EmbedTokensDims) => ({
    in_dim: u32(in_dim),
    in_groups: u32(groupsOf(in_dim)),
    out_stride: u32(stride(in_dim)),
    row_offset: u32(row_offset),
    rows: u32(rows),
  }),
  bindings: ({ in_dim, rows, context, max_tokens }, { weight }) => ({
    weight: readonly(weightBytes(rows, in_dim, weight).quants),
    scales: readonly(weightBytes(rows, in_dim, weight).scales),
    tokens: readonly(context * 4),
    hidden: writable(max_tokens * stride(in_dim) * 4),
    step: uniform(STEP_BYTES),
  }),
  grid:
    ({ in_dim }) =>
    (step) => [Math.ceil(stride(in_dim) / 4 / 64), step.num_tokens, 1],
  refuse: ({ in_dim }) => (in_dim % 4 === 0 ? null : `in_dim: expected a multiple of 4, got ${in_dim}`),
  bytesMoved: ({ in_dim }, step, { weight }) => {
    const row = weightBytes(1, in_dim, weight);
    return step.num_tokens * (row.quants + row.scales + stride(in_dim) * 4);
  },
});

import source from '../../shaders/attention_unembed.wgsl?raw';
import { groupsOf } from '../core/packed.ts';
import { defineKernel, readonly, uniform, writable } from '../gpu/kernel.ts';
import { u32 } from '../gpu/link.ts';
import { STEP_BYTES } from '../gpu/step.ts';
import { joinConstants } from './attention_combine.ts';
import type { CombineDims } from './attention_combine.ts';
import { partialsBytes } from './attention_partial.ts';
import { GROUP_STRUCT, JOIN_SPLITS, STEP, WEIGHT, weightBytes } from './parts.ts';

export interface UnembedDims extends CombineDims {
  /** Groups of heads that share a matrix. */
  readonly matrices: number;
  /** Values of a head behind it. */
  readonly out_dim: number;
}

const headsOf = ({ groups, heads_per_group }: UnembedDims): number => groups * heads_per_group;

/** attention_combine, and unembed_out of absorbed MLA behind it. The attention before it keeps its partial sums (attention_partial). */
export const attention_unembed = defineKernel({
  name: 'attention_unembed',
  source,
  includes: [STEP, GROUP_STRUCT, JOIN_SPLITS],
  parts: { weight: WEIGHT },
  constants: (dims: UnembedDims) => ({
    ...joinConstants(dims, dims.v_dim / 4),
    in_groups: u32(groupsOf(dims.v_dim)),
    out_dim: u32(dims.out_dim),
    out_stride: u32(dims.out_stride),
    heads_per_matrix: u32(headsOf(dims) / dims.matrices),
    LANES: u32(dims.adapter.software ? 1 : 2),
  }),
  bindings: (dims, { weight }) => {
    const bytes = weightBytes(dims.matrices * dims.out_dim, dims.v_dim, weight);
    return {
      weight: readonly(bytes.quants),
      scales: readonly(bytes.scales),
      partials: readonly(partialsBytes(dims)),
      out: writable(((dims.max_tokens - 1) * dims.out_stride + headsOf(dims) * dims.out_dim) * 4),
      step: uniform(STEP_BYTES),
    };
  },
  grid: (dims) => (step) => [headsOf(dims), step.num_tokens, 1],
  refuse: (dims) =>
    headsOf(dims) % dims.matrices === 0 ? null : `${headsOf(dims)} heads do not divide by ${dims.matrices}`,
  bytesMoved: (dims, step, { weight }) => {
    const bytes = weightBytes(dims.matrices * dims.out_dim, dims.v_dim, weight);
    const sums = step.num_splits * (dims.v_dim + 4) + dims.out_dim;
    return bytes.quants + bytes.scales + step.num_tokens * headsOf(dims) * sums * 4;
  },
});

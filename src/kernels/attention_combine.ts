import source from '../../shaders/attention_combine.wgsl?raw';
import { defineKernel, readonly, uniform, writable } from '../gpu/kernel.ts';
import { u32 } from '../gpu/link.ts';
import type { Constant } from '../gpu/link.ts';
import { STEP_BYTES } from '../gpu/step.ts';
import { partialsBytes } from './attention_partial.ts';
import type { AttentionDims } from './attention_partial.ts';
import type { AttentionAdapter } from './attention_tuning.ts';
import { JOIN_SPLITS, STEP } from './parts.ts';

export type CombineDims = Pick<
  AttentionDims,
  'groups' | 'heads_per_group' | 'v_dim' | 'out_stride' | 'max_tokens' | 'max_partials' | 'adapter'
>;

/** What parts/join_splits.wgsl is told. @param quads of a workgroup */
export function joinConstants(
  { groups, heads_per_group, v_dim, adapter }: CombineDims,
  quads: number,
): Record<'num_heads' | 'v_dim' | 'QUADS' | 'THREADS' | 'PARTS' | 'PART_SLOTS', Constant> {
  const threads = joinThreads(adapter);
  const parts = Math.max(1, Math.floor(threads / quads));
  return {
    num_heads: u32(groups * heads_per_group),
    v_dim: u32(v_dim),
    QUADS: u32(quads),
    THREADS: u32(threads),
    PARTS: u32(parts),
    PART_SLOTS: u32(parts > 1 ? threads : 1),
  };
}

/** Quads of a head that a workgroup joins: few where workgroups cost nothing, so that many threads share the splits. */
function joinedQuads({ v_dim, adapter }: CombineDims): number {
  const quads = v_dim / 4;
  return adapter.software || quads % 4 !== 0 ? quads : 4;
}

export function joinThreads({ software }: AttentionAdapter): number {
  return software ? 16 : 128;
}

/** Joins the splits of attention_partial. Not dispatched where there is one split. */
export const attention_combine = defineKernel({
  name: 'attention_combine',
  source,
  includes: [STEP, JOIN_SPLITS],
  parts: {},
  constants: (dims: CombineDims) => ({
    ...joinConstants(dims, joinedQuads(dims)),
    out_stride: u32(dims.out_stride),
  }),
  bindings: (dims) => ({
    partials: readonly(partialsBytes(dims)),
    out: writable(
      ((dims.max_tokens - 1) * dims.out_stride + dims.groups * dims.heads_per_group * dims.v_dim) * 4,
    ),
    step: uniform(STEP_BYTES),
  }),
  grid: (dims) => (step) =>
    step.num_splits === 1
      ? null
      : [dims.groups * dims.heads_per_group, step.num_tokens, dims.v_dim / 4 / joinedQuads(dims)],
  bytesMoved: (dims, step) =>
    step.num_tokens *
    dims.groups *
    dims.heads_per_group *
    (step.num_splits * (dims.v_dim + 4) + dims.v_dim) *
    4,
});

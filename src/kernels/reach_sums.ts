import source from '../../shaders/reach_sums.wgsl?raw';
import { defineKernel, readonly, uniform, writable } from '../gpu/kernel.ts';
import { u32 } from '../gpu/link.ts';
import { STEP_BYTES } from '../gpu/step.ts';
import { reachBytes } from './attention_reach.ts';
import { tilesOf } from './attention_spread.ts';
import { STEP } from './parts.ts';

export interface ReachSumsDims {
  readonly groups: number;
  readonly max_tokens: number;
}

/** Adds up the pieces of attention_reach. */
export const reach_sums = defineKernel({
  name: 'reach_sums',
  source,
  includes: [STEP],
  parts: {},
  constants: ({ groups, max_tokens }: ReachSumsDims) => ({
    groups: u32(groups),
    max_tokens: u32(max_tokens),
    TILES: u32(tilesOf(max_tokens)),
  }),
  bindings: (dims) => ({
    received_parts: readonly(reachBytes(dims).received_parts),
    distance_parts: readonly(reachBytes(dims).distance_parts),
    received: writable(dims.max_tokens * 4),
    histogram: writable(dims.groups * dims.max_tokens * 4),
    step: uniform(STEP_BYTES),
  }),
  grid:
    ({ groups }) =>
    (step) => [Math.ceil(step.num_tokens / 64), groups + 1, 1],
});

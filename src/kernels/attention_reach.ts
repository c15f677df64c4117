import source from '../../shaders/attention_reach.wgsl?raw';
import { defineKernel, readonly, uniform, writable } from '../gpu/kernel.ts';
import { u32 } from '../gpu/link.ts';
import { STEP_BYTES } from '../gpu/step.ts';
import {
  refuseWholeAttention,
  tilesOf,
  wholeAttentionBytes,
  wholeAttentionConstants,
} from './attention_spread.ts';
import type { WholeAttentionDims } from './attention_spread.ts';
import { ROTATE, SCORE_TILE, STEP } from './parts.ts';

/** Bytes of what attention_reach leaves for reach_sums. */
export function reachBytes({ groups, max_tokens }: Pick<WholeAttentionDims, 'groups' | 'max_tokens'>): {
  received_parts: number;
  distance_parts: number;
} {
  const tiles = tilesOf(max_tokens);
  return {
    received_parts: groups * tiles * tiles * 64 * 4,
    distance_parts: groups * tiles * tiles * 128 * 4,
  };
}

/** Σ p² by key and Σ p a by distance, for every pair of tiles. */
export const attention_reach = defineKernel({
  name: 'attention_reach',
  source,
  includes: [STEP, ROTATE, SCORE_TILE],
  parts: {},
  constants: (dims: WholeAttentionDims) => ({
    ...wholeAttentionConstants(dims),
    TILES: u32(tilesOf(dims.max_tokens)),
  }),
  bindings: (dims) => {
    const { q, cache, rope_table, rope_pairs, perHead } = wholeAttentionBytes(dims);
    const { received_parts, distance_parts } = reachBytes(dims);
    return {
      q: readonly(q),
      cache: readonly(cache),
      rope_table: readonly(rope_table),
      rope_pairs: readonly(rope_pairs),
      lse: readonly(perHead),
      spread: readonly(perHead),
      received_parts: writable(received_parts),
      distance_parts: writable(distance_parts),
      step: uniform(STEP_BYTES),
    };
  },
  grid: (dims) => (step) => [tilesOf(step.num_tokens), tilesOf(step.num_tokens), dims.groups],
  refuse: refuseWholeAttention,
});

import source from '../../shaders/attention_prefill.wgsl?raw';
import { defineKernel } from '../gpu/kernel.ts';
import { u32 } from '../gpu/link.ts';
import {
  attentionBindings,
  attentionBytes,
  attentionConstants,
  refuseAttention,
} from './attention_partial.ts';
import type { AttentionDims } from './attention_partial.ts';
import { tilePitch } from './attention_tuning.ts';
import type { TunedShape } from './attention_tuning.ts';
import { APPEND, ATTENTION_ENDS, CACHE, NEW_ROW, ROTATE, ROW, STAGE_TILE, STEP } from './parts.ts';

/** BLOCKS of 4 (token, head) pairs; TILE cache rows at a time. */
export interface PrefillTuning {
  readonly BLOCKS: 4 | 8 | 16;
  readonly TILE: 16 | 32;
}

export interface AttentionPrefillDims extends AttentionDims {
  readonly tuning: PrefillTuning;
}

/** Tokens of a step from which its tiles are full. */
const MANY_TOKENS = 32;
/** Threads of a block, as in the shader. */
const LANES = 16;
/** Sums of a thread: 16 for each quad of V. */
const MOST_ITEMS = 4;
/** The larger, the more each value is multiplied that was read: best first. */
const TUNINGS: readonly PrefillTuning[] = [
  { BLOCKS: 16, TILE: 32 },
  { BLOCKS: 8, TILE: 32 },
  { BLOCKS: 8, TILE: 16 },
  { BLOCKS: 4, TILE: 16 },
];

/** null: the step is too short, rows are too wide, or the device is software, to which a thread at a barrier is dear. */
export function prefillTuning(shape: TunedShape): PrefillTuning | null {
  const { max_tokens, v_dim, adapter } = shape;
  if (adapter.software || max_tokens < MANY_TOKENS || v_dim / 4 > MOST_ITEMS * LANES) return null;
  return TUNINGS.find((tuning) => prefillBytes(shape, tuning) <= adapter.workgroupBytes) ?? null;
}

export function prefillBytes(
  { qk_dim, staged_dim }: Pick<TunedShape, 'qk_dim' | 'staged_dim'>,
  { BLOCKS, TILE }: PrefillTuning,
): number {
  const queries = 4 * BLOCKS * ((qk_dim / 4) | 1);
  return 16 * (queries + TILE * tilePitch(staged_dim) + BLOCKS * (TILE + 1) + BLOCKS * LANES);
}

/** Attention of many tokens over the cache. */
export const attention_prefill = defineKernel({
  name: 'attention_prefill',
  source,
  includes: [STEP, ROTATE, ATTENTION_ENDS, NEW_ROW, STAGE_TILE],
  parts: { cache: CACHE, row: ROW, append: { none: APPEND.none } },
  constants: (dims: AttentionPrefillDims, parts) => {
    const { BLOCKS, TILE } = dims.tuning;
    return {
      ...attentionConstants(dims, parts),
      BLOCKS: u32(BLOCKS),
      TILE: u32(TILE),
      PITCH: u32(tilePitch(dims.staged_dim)),
    };
  },
  bindings: (dims: AttentionPrefillDims, parts) => attentionBindings(dims, parts),
  grid: (dims) => {
    const rows = dims.tuning.BLOCKS * 4;
    return (step) => [
      step.num_splits,
      dims.groups,
      Math.ceil((step.num_tokens * dims.heads_per_group) / rows),
    ];
  },
  refuse: (dims, parts) => refuseAttention(dims, parts),
  bytesMoved: (dims: AttentionPrefillDims, step, parts) => attentionBytes(dims, step, parts),
});

import source from '../../shaders/attention_decode.wgsl?raw';
import { defineKernel } from '../gpu/kernel.ts';
import { u32 } from '../gpu/link.ts';
import {
  attentionBindings,
  attentionBytes,
  attentionConstants,
  refuseAttention,
} from './attention_partial.ts';
import type { AttentionDims } from './attention_partial.ts';
import { APPEND, ATTENTION_ENDS, CACHE, NEW_ROW, ROTATE, ROW, STEP } from './parts.ts';
import type { RowForm } from './parts.ts';

/** How attention_decode shares its work out. */
export interface DecodeTuning {
  /** Threads that share a row: a power of two, at most a subgroup. */
  readonly LANES: number;
  /** Heads of a thread. */
  readonly HEADS: number;
  /** Sets of HEADS heads in a workgroup, which read the same rows at about the same time. */
  readonly BLOCKS: number;
  /** A power of two, at least 2. */
  readonly TEAMS: number;
}

export type DecodeRow = Exclude<RowForm, 'recon'>;

/** Quads of a row that a thread holds, of 4 rows at a time. */
const MAX_ITEMS = 4;
/** Registers for queries and sums. */
const MAX_KEPT = 96;
const THREADS = 128;
/** A software adapter: every thread at a barrier costs a microsecond or two. */
const SOFTWARE_THREADS = 8;
const MAX_THREADS = 256;
/** Of WebGPU's smallest device. */
const MAX_BYTES = 16384;

/** Items (every LANES-th quad) of the staged row that a view of it lies in. */
function itemsOf(offset: number, dim: number, lanes: number): { first: number; count: number } {
  const first = Math.floor(offset / 4 / lanes);
  return { first, count: Math.ceil((offset + dim) / 4 / lanes) - first };
}

/**
 * null: not for this shape or device, attention_partial does it.
 *  - rows must be read as they are (recon multiplies whole rows, which is for workgroup memory)
 *  - a thread must be able to hold its share of four rows, and of some heads' queries and sums
 */
export function decodeTuning(dims: AttentionDims, row: RowForm): DecodeTuning | null {
  const { adapter, heads_per_group, staged_dim } = dims;
  if (row === 'recon' || dims.max_tokens !== 1 || adapter.subgroupSize < 4) return null;
  const quads = staged_dim / 4;
  let LANES = Math.min(8, adapter.subgroupSize);
  while (LANES * 2 <= Math.min(32, adapter.subgroupSize) && quads > LANES * MAX_ITEMS) LANES *= 2;
  if (quads > LANES * 2 * MAX_ITEMS) return null;
  const items =
    itemsOf(dims.qk_offset, dims.qk_dim, LANES).count + itemsOf(dims.v_offset, dims.v_dim, LANES).count;
  const most = Math.max(1, Math.floor(MAX_KEPT / (4 * items)));
  const sets = Math.ceil(heads_per_group / most);
  const HEADS = Math.ceil(heads_per_group / sets);
  const BLOCKS = Math.min(sets, Math.floor(MAX_THREADS / (2 * LANES)));
  const wanted = (adapter.software ? SOFTWARE_THREADS : THREADS) / (LANES * BLOCKS);
  let TEAMS = Math.max(2, 2 ** Math.floor(Math.log2(wanted)));
  while (TEAMS > 2 && sharedBytes(dims, { LANES, HEADS, BLOCKS, TEAMS }) > MAX_BYTES) TEAMS /= 2;
  const tuning = { LANES, HEADS, BLOCKS, TEAMS };
  return sharedBytes(dims, tuning) > MAX_BYTES ? null : tuning;
}

/** Workgroup memory, in which the teams' sums come together; and the step's own row. */
function sharedBytes(dims: AttentionDims, { LANES, HEADS, BLOCKS, TEAMS }: DecodeTuning): number {
  const { count } = itemsOf(dims.v_offset, dims.v_dim, LANES);
  return BLOCKS * HEADS * (TEAMS * 8 + (TEAMS / 2) * LANES * count * 16) + dims.staged_dim * 4;
}

export interface AttentionDecodeDims extends AttentionDims {
  readonly tuning: DecodeTuning;
}

/** Items with quads that are rotated when they are read. */
function turnedItems(dims: AttentionDecodeDims, row: DecodeRow): { first: number; count: number } {
  if (row === 'plain' || dims.rope_dim === 0) return { first: 0, count: 0 };
  const offset = row === 'reuse' ? dims.row_dim : dims.key_rope_offset;
  return itemsOf(offset, dims.rope_dim, dims.tuning.LANES);
}

/** Attention of one token over the cache, on devices with subgroups: rows go from the cache to registers. */
export const attention_decode = defineKernel({
  name: 'attention_decode',
  source,
  feature: 'subgroups',
  includes: [STEP, ROTATE, ATTENTION_ENDS, NEW_ROW],
  parts: { cache: CACHE, row: { plain: ROW.plain, rotate: ROW.rotate, reuse: ROW.reuse }, append: APPEND },
  constants: (dims: AttentionDecodeDims, parts) => {
    const { LANES, HEADS, BLOCKS, TEAMS } = dims.tuning;
    const k = itemsOf(dims.qk_offset, dims.qk_dim, LANES);
    const v = itemsOf(dims.v_offset, dims.v_dim, LANES);
    const turned = turnedItems(dims, parts.row);
    return {
      ...attentionConstants(dims, parts),
      LANES: u32(LANES),
      HEADS: u32(HEADS),
      BLOCKS: u32(BLOCKS),
      TEAMS: u32(TEAMS),
      ITEMS: u32(Math.ceil(dims.staged_dim / 4 / LANES)),
      K_FIRST: u32(k.first),
      K_ITEMS: u32(k.count),
      V_FIRST: u32(v.first),
      V_ITEMS: u32(v.count),
      TURN_FIRST: u32(turned.first),
      TURN_ITEMS: u32(turned.count),
    };
  },
  bindings: (dims: AttentionDecodeDims, parts) => attentionBindings(dims, parts),
  grid: ({ groups, heads_per_group, tuning }) => {
    const sets = Math.ceil(heads_per_group / (tuning.HEADS * tuning.BLOCKS));
    return (step) => [step.num_splits, groups, sets];
  },
  refuse: (dims, parts) =>
    dims.max_tokens === 1 ? refuseAttention(dims, parts) : `max_tokens: expected 1, got ${dims.max_tokens}`,
  bytesMoved: (dims, step, parts) => attentionBytes(dims, step, parts),
});

import source from '../../shaders/attention_decode.wgsl?raw';
import { defineKernel } from '../gpu/kernel.ts';
import { bool, u32 } from '../gpu/link.ts';
import {
  attentionBindings,
  attentionBytes,
  attentionConstants,
  refuseAttention,
} from './attention_partial.ts';
import type { AttentionDims } from './attention_partial.ts';
import type { AttentionAdapter } from './attention_tuning.ts';
import { APPEND, ATTENTION_ENDS, CACHE, DECODE_ROWS, NEW_ROW, NOTHING, ROTATE, STEP } from './parts.ts';
import type { RowForm } from './parts.ts';

/** How attention_decode shares its work out. */
export interface DecodeTuning {
  /** Threads that share a row: a power of two, at most a subgroup. */
  readonly LANES: number;
  /** Heads of a workgroup: of all its threads. */
  readonly HEADS: number;
  /** A power of two, at least 2. */
  readonly TEAMS: number;
}

export type DecodeRow = Exclude<RowForm, 'recon'>;

/** Quads of a row that a thread holds, of 4 rows at a time. */
const MAX_ITEMS = 4;
/** More take registers that other threads could load rows with; fewer read rows more often (docs/benchmarks.md). */
const MAX_HEADS = 3;

/** Of reuse, whose rope keys come twice. Where registers run out is as a compiler has it, so this is what was measured. */
function reusedItems(quads: number): number {
  const wide = Math.ceil(quads / 16);
  return wide === 3 || wide === 5 ? wide : wide <= 2 ? 2 : MAX_ITEMS / 2;
}

function mostHeads(row: DecodeRow, items: number): number {
  if (row === 'reuse' && (items === 3 || items === 5)) return 2;
  return items > MAX_ITEMS ? 1 : MAX_HEADS;
}
const THREADS = 128;
/** A software adapter: every thread at a barrier costs a microsecond or two. */
const SOFTWARE_THREADS = 8;
/** Workgroup memory, so that several workgroups of wide rows are on a core. */
const MAX_BYTES = 24576;

interface Items {
  readonly first: number;
  readonly count: number;
}

/** Items (every LANES-th quad) of the row that a view of it lies in. */
function itemsOf(offset: number, dim: number, lanes: number): Items {
  const first = Math.floor(offset / 4 / lanes);
  return { first, count: dim === 0 ? 0 : Math.ceil((offset + dim) / 4 / lanes) - first };
}

/** Views of the row: what queries meet as it lies there, what they meet rotated, and what is summed. */
function viewsOf(
  dims: AttentionDims,
  row: RowForm,
  lanes: number,
): Record<'key' | 'turned' | 'value', Items> {
  const { qk_offset, qk_dim, rope_dim, key_rope_offset, row_dim } = dims;
  const turns = row !== 'plain';
  const key = row === 'reuse' ? row_dim - qk_offset : row === 'rotate' && rope_dim === qk_dim ? 0 : qk_dim;
  return {
    key: itemsOf(qk_offset, key, lanes),
    turned: itemsOf(key_rope_offset, turns ? rope_dim : 0, lanes),
    value: itemsOf(dims.v_offset, dims.v_dim, lanes),
  };
}

/** Where a lane finds what its rope quads turn with; SOME_LANE: it reads that once more from the cache. */
const PARTNER = { SAME_LANE: 0, SAME_ITEM: 1, SOME_LANE: 2 } as const;

function partnerOf({ rope_dim, key_rope_offset }: AttentionDims, lanes: number): keyof typeof PARTNER {
  const half = rope_dim / 8;
  const start = (key_rope_offset / 4) % lanes;
  if (start === 0 && half % lanes === 0) return 'SAME_LANE';
  return start + 2 * half <= lanes ? 'SAME_ITEM' : 'SOME_LANE';
}

/**
 * null: not for this shape or device, attention_partial does it.
 *  - rows must be read as they are (recon multiplies whole rows, which is for workgroup memory)
 *  - a thread must be able to hold its share of four rows, and of some heads' queries and sums
 */
export function decodeTuning(dims: AttentionDims, row: RowForm): DecodeTuning | null {
  const { adapter, heads_per_group, row_dim } = dims;
  if (row === 'recon' || dims.max_tokens !== 1 || adapter.subgroupSize < 4) return null;
  const most_lanes = Math.min(32, adapter.subgroupSize);
  const quads = row_dim / 4;
  const turns = row !== 'plain' && dims.rope_dim > 0;
  let LANES = Math.min(8, most_lanes);
  const most_items = row === 'reuse' ? reusedItems(quads) : MAX_ITEMS;
  const grows = (): boolean =>
    quads > LANES * most_items || (turns && partnerOf(dims, LANES) === 'SOME_LANE');
  while (LANES * 2 <= most_lanes && grows()) LANES *= 2;
  const items = Math.ceil(quads / LANES);
  if (items > 2 * MAX_ITEMS) return null;
  const bytes = Math.min(MAX_BYTES, adapter.workgroupBytes);
  for (let most = mostHeads(row, items); most >= 1; most--) {
    const HEADS = Math.ceil(heads_per_group / Math.ceil(heads_per_group / most));
    let TEAMS = Math.max(2, (adapter.software ? SOFTWARE_THREADS : THREADS) / LANES);
    while (TEAMS > 2 && sharedBytes(dims, { LANES, HEADS, TEAMS }) > bytes) TEAMS /= 2;
    const tuning = { LANES, HEADS, TEAMS };
    if (sharedBytes(dims, tuning) <= bytes) return tuning;
  }
  return null;
}

/** Where one split fills no GPU: every head has workgroups of its own. null: no other than `tuning` */
export function nearTuning(tuning: DecodeTuning, { software }: AttentionAdapter): DecodeTuning | null {
  return software || tuning.HEADS === 1 ? null : { ...tuning, HEADS: 1 };
}

/** Workgroup memory, in which the teams' sums come together; the queries, the step's own row and an exact one. */
function sharedBytes(dims: AttentionDims, { LANES, HEADS, TEAMS }: DecodeTuning): number {
  const { count } = itemsOf(dims.v_offset, dims.v_dim, LANES);
  const sums = TEAMS * 8 + (TEAMS / 2) * LANES * count * 16;
  return HEADS * (sums + 4 + dims.qk_dim * 4) + 2 * dims.row_dim * 4;
}

export interface AttentionDecodeDims extends AttentionDims {
  readonly tuning: DecodeTuning;
  /** Only for steps with so many splits; undefined: any. */
  readonly splits?: 'one' | 'several' | undefined;
}

/** Attention of one token over the cache, on devices with subgroups: rows go from the cache to registers. */
export const attention_decode = defineKernel({
  name: 'attention_decode',
  source,
  feature: 'subgroups',
  includes: [STEP, ROTATE, ATTENTION_ENDS, NEW_ROW, DECODE_ROWS],
  // How a row is staged is constants here: TURNS_KEY, SHIFTED and what is turned.
  parts: { cache: CACHE, row: { plain: NOTHING, rotate: NOTHING, reuse: NOTHING }, append: APPEND },
  constants: (dims: AttentionDecodeDims, parts) => {
    const { LANES, HEADS, TEAMS } = dims.tuning;
    const { key, turned, value } = viewsOf(dims, parts.row, LANES);
    const { SAME_LANE, SAME_ITEM } = PARTNER;
    return {
      ...attentionConstants(dims, parts),
      LANES: u32(LANES),
      HEADS: u32(HEADS),
      TEAMS: u32(TEAMS),
      ITEMS: u32(Math.ceil(dims.row_dim / 4 / LANES)),
      K_FIRST: u32(key.first),
      K_ITEMS: u32(key.count),
      K_END: u32(Math.min(dims.qk_offset + dims.qk_dim, dims.row_dim) / 4),
      V_FIRST: u32(value.first),
      V_ITEMS: u32(value.count),
      TURN_FIRST: u32(turned.first),
      TURN_ITEMS: u32(turned.count),
      TURNS_KEY: bool(parts.row === 'rotate'),
      SHIFTED: bool(parts.row === 'reuse'),
      PARTNER: u32(PARTNER[partnerOf(dims, LANES)]),
      SAME_LANE: u32(SAME_LANE),
      SAME_ITEM: u32(SAME_ITEM),
    };
  },
  bindings: (dims: AttentionDecodeDims, parts) => attentionBindings(dims, parts),
  grid: ({ groups, heads_per_group, tuning, splits }) => {
    const sets = Math.ceil(heads_per_group / tuning.HEADS);
    return ({ num_splits }) =>
      splits === (num_splits === 1 ? 'several' : 'one') ? null : [num_splits, groups, sets];
  },
  refuse: (dims, parts) =>
    dims.max_tokens === 1 ? refuseAttention(dims, parts) : `max_tokens: expected 1, got ${dims.max_tokens}`,
  bytesMoved: (dims, step, parts) => attentionBytes(dims, step, parts),
});

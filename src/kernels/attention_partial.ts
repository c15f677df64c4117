import source from '../../shaders/attention_partial.wgsl?raw';
import { cacheBytes, cacheBytesPerToken } from '../core/cache_rows.ts';
import type { CacheFormat, CacheShape } from '../core/cache_rows.ts';
import { defineKernel, readonly, uniform, writable } from '../gpu/kernel.ts';
import type { Binding } from '../gpu/kernel.ts';
import { bool, f32, u32 } from '../gpu/link.ts';
import type { Constant } from '../gpu/link.ts';
import type { Step } from '../gpu/step.ts';
import { STEP_BYTES } from '../gpu/step.ts';
import { attentionTuning, MANY_TOKENS, tilePitch, workgroupBytes } from './attention_tuning.ts';
import type { AttentionTuning, TunedShape } from './attention_tuning.ts';
import { cacheConstants, newRowConstants, newRowEnd } from './cache_constants.ts';
import type { NewRow } from './cache_constants.ts';
import { APPEND, ATTENTION_ENDS, CACHE, NEW_ROW, ROTATE, ROW, STAGE_TILE, STEP } from './parts.ts';
import type { RowForm } from './parts.ts';

/** One family: (groups, heads per group, both views of the staged row). qk_offset and v_offset are elements of that row. */
export interface AttentionDims extends CacheShape, TunedShape {
  readonly qk_offset: number;
  readonly v_offset: number;
  /** The rotated region of a query, from the query's first element; as long as the key's. */
  readonly rope_offset: number;
  readonly rope_dim: number;
  /** Rows rotate and reuse: where the un-rotated rope key lies in the cache row. */
  readonly key_rope_offset: number;
  readonly rope_frequencies: number;
  readonly softmax_scale: number;
  readonly q_stride: number;
  readonly q_offset: number;
  readonly out_stride: number;
  /** num_splits * num_tokens at most, where num_splits > 1. */
  readonly max_partials: number;
  /** Decode: the step's one row is taken from the projections and stored on the way. null: it lies in the cache already. */
  readonly append: NewRow | null;
  /** Sums go to `partials` in one split too: attention_unembed joins them. */
  readonly keeps_partials: boolean;
  /** How attention_partial shares its work out; undefined: as attentionTuning finds best. */
  readonly tiling?: AttentionTuning;
}

const NOTHING_NEW: NewRow = {
  rope_offset: 0,
  rope_dim: 0,
  kv_stride: 0,
  first_offset: 0,
  second_offset: 0,
};

/** Values of a staged row: the cache row and, where it is made when read, the rope key. */
export function stagedDim(row: RowForm, row_dim: number, rope_dim: number): number {
  return row === 'reuse' || row === 'recon' ? row_dim + rope_dim : row_dim;
}

/** (token, head) pairs of a workgroup. */
export function attentionRows(dims: AttentionDims): number {
  return tilingOf(dims).BLOCKS * 4;
}

function tilingOf(dims: AttentionDims): AttentionTuning {
  return dims.tiling ?? attentionTuning(dims);
}

export function partialsBytes(
  dims: Pick<AttentionDims, 'max_partials' | 'groups' | 'heads_per_group' | 'v_dim'>,
): number {
  return dims.max_partials * dims.groups * dims.heads_per_group * (dims.v_dim + 4) * 4;
}

/** Bytes of rope_map: nothing is read of it but in reuse (a vector) and recon (matrix and bias). */
function ropeMapBytes({ row_dim, rope_dim }: AttentionDims, row: RowForm): number {
  if (row === 'reuse') return rope_dim * 4;
  return row === 'recon' ? (row_dim + 1) * rope_dim * 4 : 16;
}

/** Attention of the step's tokens over the cache, split by cache rows; rotates the queries, and keys where the form says so. */
export const attention_partial = defineKernel({
  name: 'attention_partial',
  source,
  includes: [STEP, ROTATE, ATTENTION_ENDS, NEW_ROW, STAGE_TILE],
  parts: { cache: CACHE, row: ROW, append: APPEND },
  constants: (dims: AttentionDims, parts) => {
    const { BLOCKS, LANES, SLICES, TILE } = tilingOf(dims);
    return {
      ...attentionConstants(dims, parts),
      BLOCKS: u32(BLOCKS),
      LANES: u32(LANES),
      SLICES: u32(SLICES),
      TILE: u32(TILE),
      PITCH: u32(tilePitch(dims.staged_dim)),
      FULL_TILES: bool(!dims.adapter.software && dims.max_tokens >= MANY_TOKENS),
    };
  },
  bindings: attentionBindings,
  grid: (dims) => {
    const rows = attentionRows(dims);
    return (step) => [
      step.num_splits,
      dims.groups,
      Math.ceil((step.num_tokens * dims.heads_per_group) / rows),
    ];
  },
  refuse: (dims, parts) => {
    const reason = refuseAttention(dims, parts);
    if (reason !== null) return reason;
    const bytes = workgroupBytes(dims, tilingOf(dims));
    return bytes > dims.adapter.workgroupBytes
      ? `rows of ${dims.staged_dim} values and queries of ${dims.qk_dim} need ${bytes} bytes of workgroup memory, the device has ${dims.adapter.workgroupBytes}`
      : null;
  },
  bytesMoved: attentionBytes,
});

/** What attention_partial and attention_decode have in common. */

interface AttentionParts {
  readonly cache: CacheFormat;
  readonly row: RowForm;
  readonly append: keyof typeof APPEND;
}

export function attentionConstants(
  dims: AttentionDims,
  { cache, row }: AttentionParts,
): Record<string, Constant> {
  return {
    ...cacheConstants(dims, cache),
    ...newRowConstants(dims.append ?? NOTHING_NEW, cache),
    heads_per_group: u32(dims.heads_per_group),
    num_heads: u32(dims.groups * dims.heads_per_group),
    qk_offset: u32(dims.qk_offset),
    qk_dim: u32(dims.qk_dim),
    v_offset: u32(dims.v_offset),
    v_dim: u32(dims.v_dim),
    load_dim: u32(row === 'recon' ? dims.row_dim : dims.staged_dim),
    rope_offset: u32(dims.rope_offset),
    rope_dim: u32(dims.rope_dim),
    key_rope_offset: u32(dims.key_rope_offset),
    rope_frequencies: u32(dims.rope_frequencies),
    softmax_scale: f32(dims.softmax_scale),
    q_stride: u32(dims.q_stride),
    q_offset: u32(dims.q_offset),
    out_stride: u32(dims.out_stride),
    keeps_partials: bool(dims.keeps_partials),
  };
}

export type AttentionBuffer =
  | 'q'
  | 'cache'
  | 'rope_table'
  | 'rope_pairs'
  | 'rope_map'
  | 'out'
  | 'partials'
  | 'kv';

export function attentionBindings(
  dims: AttentionDims,
  { cache, row }: AttentionParts,
): Record<AttentionBuffer | 'step', Binding> {
  const heads = dims.groups * dims.heads_per_group;
  const before = dims.max_tokens - 1;
  return {
    q: readonly((before * dims.q_stride + dims.q_offset + heads * dims.qk_dim) * 4),
    cache: writable(cacheBytes(dims, cache)),
    rope_table: readonly(dims.max_len * dims.rope_frequencies * 8),
    rope_pairs: readonly(dims.rope_dim * 2),
    rope_map: readonly(ropeMapBytes(dims, row)),
    out: writable((before * dims.out_stride + heads * dims.v_dim) * 4),
    partials: writable(partialsBytes(dims)),
    kv: readonly(dims.append === null ? 16 : newRowEnd(dims, dims.append) * 4),
    step: uniform(STEP_BYTES),
  };
}

export function refuseAttention(
  dims: AttentionDims,
  { row, append }: Omit<AttentionParts, 'cache'>,
): string | null {
  if ((append === 'row') !== (dims.append !== null))
    return 'part append: expected row where dims say whence, else none';
  if (append === 'row' && dims.max_tokens !== 1)
    return `append: expected steps of one token, got ${dims.max_tokens}`;
  const fours = [dims.row_dim, dims.split_dim, dims.qk_offset, dims.qk_dim, dims.v_offset, dims.v_dim];
  fours.push(dims.rope_offset, dims.key_rope_offset, dims.q_stride, dims.q_offset, dims.out_stride);
  if (fours.some((n) => n % 4 !== 0))
    return `dims, offsets and strides: expected multiples of 4, got ${fours.join(', ')}`;
  if (dims.rope_dim % 8 !== 0) return `rope_dim: expected a multiple of 8, got ${dims.rope_dim}`;
  const staged = stagedDim(row, dims.row_dim, dims.rope_dim);
  if (dims.staged_dim !== staged)
    return `staged_dim of row ${row}: expected ${staged}, got ${dims.staged_dim}`;
  return dims.qk_offset + dims.qk_dim > staged || dims.v_offset + dims.v_dim > staged
    ? `K and V: expected to lie within the staged row of ${staged}`
    : null;
}

/** Each cache row is read once per group; queries, output and partial sums are small beside it. */
export function attentionBytes(dims: AttentionDims, step: Step, { cache, row }: AttentionParts): number {
  const heads = dims.groups * dims.heads_per_group;
  const rows = (step.position + step.num_tokens) * cacheBytesPerToken(dims, cache);
  const sums = step.num_splits === 1 ? heads * dims.v_dim : step.num_splits * heads * (dims.v_dim + 4);
  return rows + step.num_tokens * (heads * dims.qk_dim + sums) * 4 + ropeMapBytes(dims, row);
}

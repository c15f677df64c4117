import appendNone from '../../shaders/parts/append_none.wgsl?raw';
import appendRow from '../../shaders/parts/append_row.wgsl?raw';
import attentionEnds from '../../shaders/parts/attention_ends.wgsl?raw';
import biasNone from '../../shaders/parts/bias_none.wgsl?raw';
import biasRow from '../../shaders/parts/bias_row.wgsl?raw';
import cacheF16 from '../../shaders/parts/cache_f16.wgsl?raw';
import cacheF32 from '../../shaders/parts/cache_f32.wgsl?raw';
import cacheInt4 from '../../shaders/parts/cache_int4.wgsl?raw';
import cacheInt8 from '../../shaders/parts/cache_int8.wgsl?raw';
import cacheQuantised from '../../shaders/parts/cache_quantised.wgsl?raw';
import group from '../../shaders/parts/group.wgsl?raw';
import inputPlain from '../../shaders/parts/input_plain.wgsl?raw';
import inputRmsNorm from '../../shaders/parts/input_rms_norm.wgsl?raw';
import lanesAlone from '../../shaders/parts/lanes_alone.wgsl?raw';
import lanesShared from '../../shaders/parts/lanes_shared.wgsl?raw';
import lanesSubgroup from '../../shaders/parts/lanes_subgroup.wgsl?raw';
import joinSplits from '../../shaders/parts/join_splits.wgsl?raw';
import newRow from '../../shaders/parts/new_row.wgsl?raw';
import outputBest from '../../shaders/parts/output_best.wgsl?raw';
import outputResidual from '../../shaders/parts/output_residual.wgsl?raw';
import outputStore from '../../shaders/parts/output_store.wgsl?raw';
import outputSwiglu from '../../shaders/parts/output_swiglu.wgsl?raw';
import packedNibbles from '../../shaders/parts/packed_nibbles.wgsl?raw';
import packedQ40 from '../../shaders/parts/packed_q4_0.wgsl?raw';
import packedQ41 from '../../shaders/parts/packed_q4_1.wgsl?raw';
import packedQ80 from '../../shaders/parts/packed_q8_0.wgsl?raw';
import random from '../../shaders/parts/random.wgsl?raw';
import reduce from '../../shaders/parts/reduce.wgsl?raw';
import rotate from '../../shaders/parts/rotate.wgsl?raw';
import rows2 from '../../shaders/parts/rows_2.wgsl?raw';
import rows4 from '../../shaders/parts/rows_4.wgsl?raw';
import scoreTile from '../../shaders/parts/score_tile.wgsl?raw';
import rowPlain from '../../shaders/parts/row_plain.wgsl?raw';
import rowRecon from '../../shaders/parts/row_recon.wgsl?raw';
import rowReuse from '../../shaders/parts/row_reuse.wgsl?raw';
import rowRotate from '../../shaders/parts/row_rotate.wgsl?raw';
import sampling from '../../shaders/parts/sampling.wgsl?raw';
import stageTile from '../../shaders/parts/stage_tile.wgsl?raw';
import step from '../../shaders/parts/step.wgsl?raw';
import tileAlone from '../../shaders/parts/tile_alone.wgsl?raw';
import tileShared from '../../shaders/parts/tile_shared.wgsl?raw';
import threshold from '../../shaders/parts/threshold.wgsl?raw';
import tokenLast from '../../shaders/parts/token_last.wgsl?raw';
import tokenOnly from '../../shaders/parts/token_only.wgsl?raw';
import weightBf16 from '../../shaders/parts/weight_bf16.wgsl?raw';
import weightF16 from '../../shaders/parts/weight_f16.wgsl?raw';
import weightF32 from '../../shaders/parts/weight_f32.wgsl?raw';
import weightHalves from '../../shaders/parts/weight_halves.wgsl?raw';
import weightQ40 from '../../shaders/parts/weight_q4_0.wgsl?raw';
import weightQ41 from '../../shaders/parts/weight_q4_1.wgsl?raw';
import weightQ80 from '../../shaders/parts/weight_q8_0.wgsl?raw';
import writeRows from '../../shaders/parts/write_rows.wgsl?raw';
import type { CacheFormat } from '../core/cache_rows.ts';
import { GROUP, GROUP_BYTES, GROUP_SCALES, groupsOf } from '../core/packed.ts';
import type { WeightFormat } from '../core/packed.ts';
import type { SourceFile } from '../gpu/link.ts';
import xDirect from '../../shaders/parts/x_direct.wgsl?raw';
import xStaged from '../../shaders/parts/x_staged.wgsl?raw';
import decodeRows from '../../shaders/parts/decode_rows.wgsl?raw';

/** The files under shaders/parts, by the hole that they fill. */

/** Marked, so that bundles leave out the parts that none of their kernels uses. */
/* @__NO_SIDE_EFFECTS__ */
function part(name: string, text: string): SourceFile {
  return { name: `parts/${name}.wgsl`, text };
}

/** load_weight4, fetch_group and dot_fetched */
export const WEIGHT = {
  f32: part('weight_f32', weightF32),
  f16: part('weight_f16', `${weightF16}${weightHalves}`),
  bf16: part('weight_bf16', `${weightBf16}${weightHalves}`),
  q8_0: part('weight_q8_0', weightQ80),
  q4_0: part('weight_q4_0', weightQ40),
  q4_1: part('weight_q4_1', weightQ41),
} as const satisfies Record<WeightFormat, SourceFile>;

/** load_packed, low_half and high_half: a group of 32 as bytes */
export const PACKED = {
  q8_0: part('packed_q8_0', packedQ80),
  q4_0: part('packed_q4_0', `${packedQ40}${packedNibbles}`),
  q4_1: part('packed_q4_1', `${packedQ41}${packedNibbles}`),
} as const satisfies Partial<Record<WeightFormat, SourceFile>>;
export type PackedFormat = keyof typeof PACKED;

export function isPacked(format: WeightFormat): format is PackedFormat {
  return format in PACKED;
}

/** load_row4, packed_row4 and unpacked_row4, exact_quad, store_block and stored_quad */
export const CACHE = {
  f32: part('cache_f32', cacheF32),
  f16: part('cache_f16', cacheF16),
  int8: part('cache_int8', `${cacheInt8}${cacheQuantised}`),
  int4: part('cache_int4', `${cacheInt4}${cacheQuantised}`),
} as const satisfies Record<CacheFormat, SourceFile>;

/** stage_quad, stage_new, turned_pair and complete_tile: how a cache row becomes a staged row, of which K and V are views */
export const ROW = {
  /** as it lies in the cache */
  plain: part('row_plain', rowPlain),
  /** a region of it is rotated */
  rotate: part('row_rotate', rowRotate),
  /** its last rope_dim values are content, and come a second time rotated */
  reuse: part('row_reuse', rowReuse),
  /** rope_dim values are rebuilt from it and rotated */
  recon: part('row_recon', rowRecon),
} as const;
export type RowForm = keyof typeof ROW;

/** For a slot of which only the name matters. */
export const NOTHING = part('nothing', '');

/** own_rows and append_row: whether attention stores the step's row on the way */
export const APPEND = { none: part('append_none', appendNone), row: part('append_row', appendRow) } as const;

/** weigh_quad and input_scale */
export const INPUT = {
  plain: part('input_plain', inputPlain),
  rms_norm: part('input_rms_norm', inputRmsNorm),
} as const;

/** STAGES_X, stage_input, input_group and all_squares */
export const X = { direct: part('x_direct', xDirect), staged: part('x_staged', xStaged) } as const;

/** add_lanes */
export const LANES = {
  subgroup: part('lanes_subgroup', lanesSubgroup),
  shared: part('lanes_shared', lanesShared),
  alone: part('lanes_alone', lanesAlone),
} as const;

/** RowValues, fetch_rows, dot_rows and write_values */
export const ROWS = { '2': part('rows_2', rows2), '4': part('rows_4', rows4) } as const;

/** write_pair, and finish when a workgroup has written all of its rows */
export const OUTPUT = {
  store: part('output_store', outputStore),
  residual: part('output_residual', outputResidual),
  swiglu: part('output_swiglu', outputSwiglu),
} as const;
/** Of matvec alone. */
export const MATVEC_OUTPUT = { ...OUTPUT, best: part('output_best', outputBest) } as const;

/** add_bias */
export const BIAS = { none: part('bias_none', biasNone), row: part('bias_row', biasRow) } as const;

/** own_token: which token of the step the one is that matvec multiplies */
export const TOKEN = { only: part('token_only', tokenOnly), last: part('token_last', tokenLast) } as const;

/** add_product of batched_matmul */
export const TILE = {
  shared: part('tile_shared', tileShared),
  alone: part('tile_alone', tileAlone),
} as const;

/** struct Group, which the weight parts take x in */
/** Bindings, load_query and write_sum of attention_partial, attention_prefill and attention_decode */
export const ATTENTION_ENDS = part('attention_ends', attentionEnds);
/** stage_tile of attention_partial */
export const STAGE_TILE = part('stage_tile', stageTile);
/** write_rows of the matrix products */
export const WRITE_ROWS = part('write_rows', writeRows);
export const GROUP_STRUCT = part('group', group);
export const STEP = part('step', step);
export const SAMPLING = part('sampling', sampling);
/** Rows and shuffles of attention_decode */
export const DECODE_ROWS = part('decode_rows', decodeRows);
/** join_splits of attention_combine and attention_unembed */
export const JOIN_SPLITS = part('join_splits', joinSplits);
/** row_quad and store_row_block: a row before it is stored */
export const NEW_ROW = part('new_row', newRow);
export const ROTATE = part('rotate', rotate);
/** score_tile, q_tile and k_tile */
export const SCORE_TILE = part('score_tile', scoreTile);
export const THRESHOLD = part('threshold', threshold);
export const RANDOM = part('random', random);
export const REDUCE = part('reduce', reduce);

/** Bytes of a weight matrix on the device: its quants, and its scales (never empty, since a binding must have a buffer). */
export function weightBytes(
  rows: number,
  cols: number,
  format: WeightFormat,
): { quants: number; scales: number } {
  const groups = rows * groupsOf(cols);
  return { quants: groups * GROUP_BYTES[format], scales: Math.max(4, groups * GROUP_SCALES[format] * 2) };
}

/** Elements of a row of activations: padded, so that kernels may walk whole groups. */
export function stride(dim: number): number {
  return Math.ceil(dim / GROUP) * GROUP;
}

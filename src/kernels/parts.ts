import cacheF16 from '../../shaders/parts/cache_f16.wgsl?raw';
import cacheF32 from '../../shaders/parts/cache_f32.wgsl?raw';
import group from '../../shaders/parts/group.wgsl?raw';
import inputPlain from '../../shaders/parts/input_plain.wgsl?raw';
import inputRmsNorm from '../../shaders/parts/input_rms_norm.wgsl?raw';
import lanesAlone from '../../shaders/parts/lanes_alone.wgsl?raw';
import lanesShared from '../../shaders/parts/lanes_shared.wgsl?raw';
import outputResidual from '../../shaders/parts/output_residual.wgsl?raw';
import outputStore from '../../shaders/parts/output_store.wgsl?raw';
import outputSwiglu from '../../shaders/parts/output_swiglu.wgsl?raw';
import random from '../../shaders/parts/random.wgsl?raw';
import reduce from '../../shaders/parts/reduce.wgsl?raw';
import rotate from '../../shaders/parts/rotate.wgsl?raw';
import rows2 from '../../shaders/parts/rows_2.wgsl?raw';
import rows4 from '../../shaders/parts/rows_4.wgsl?raw';
import scoreTile from '../../shaders/parts/score_tile.wgsl?raw';
import sampling from '../../shaders/parts/sampling.wgsl?raw';
import step from '../../shaders/parts/step.wgsl?raw';
import threshold from '../../shaders/parts/threshold.wgsl?raw';
import weightBf16 from '../../shaders/parts/weight_bf16.wgsl?raw';
import weightF16 from '../../shaders/parts/weight_f16.wgsl?raw';
import weightF32 from '../../shaders/parts/weight_f32.wgsl?raw';
import weightQ40 from '../../shaders/parts/weight_q4_0.wgsl?raw';
import weightQ41 from '../../shaders/parts/weight_q4_1.wgsl?raw';
import weightQ80 from '../../shaders/parts/weight_q8_0.wgsl?raw';
import { GROUP, GROUP_BYTES, GROUP_SCALES, groupsOf } from '../core/packed.ts';
import type { WeightFormat } from '../core/packed.ts';
import type { SourceFile } from '../gpu/link.ts';

/** The files under shaders/parts, by the hole that they fill. */

const part = (name: string, text: string): SourceFile => ({ name: `parts/${name}.wgsl`, text });

/** load_weight4 and dot_weight */
export const WEIGHT = {
  f32: part('weight_f32', weightF32),
  f16: part('weight_f16', weightF16),
  bf16: part('weight_bf16', weightBf16),
  q8_0: part('weight_q8_0', weightQ80),
  q4_0: part('weight_q4_0', weightQ40),
  q4_1: part('weight_q4_1', weightQ41),
} as const satisfies Record<WeightFormat, SourceFile>;

/** cache_unit, decode_cache and encode_cache */
export const CACHE = { f32: part('cache_f32', cacheF32), f16: part('cache_f16', cacheF16) } as const;
export type CacheFormat = keyof typeof CACHE;
export const CACHE_BYTES: Readonly<Record<CacheFormat, number>> = { f32: 4, f16: 2 };

/** weigh_input and input_scale */
export const INPUT = {
  plain: part('input_plain', inputPlain),
  rms_norm: part('input_rms_norm', inputRmsNorm),
} as const;

/** add_lanes */
export const LANES = {
  shared: part('lanes_shared', lanesShared),
  alone: part('lanes_alone', lanesAlone),
} as const;

/** RowValues, dot_rows and write_values */
export const ROWS = { '2': part('rows_2', rows2), '4': part('rows_4', rows4) } as const;

/** write_pair */
export const OUTPUT = {
  store: part('output_store', outputStore),
  residual: part('output_residual', outputResidual),
  swiglu: part('output_swiglu', outputSwiglu),
} as const;

/** struct Group, which the weight parts take x in */
export const GROUP_STRUCT = part('group', group);
export const STEP = part('step', step);
export const SAMPLING = part('sampling', sampling);
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

import source from '../../shaders/matvec.wgsl?raw';
import { defineKernel, readonly, uniform, writable } from '../gpu/kernel.ts';
import { f32, u32 } from '../gpu/link.ts';
import { groupsOf } from '../core/packed.ts';
import { STEP_BYTES } from '../gpu/step.ts';
import { linearBytes, linearConstants, refuseLinear } from './linear.ts';
import type { LinearDims } from './linear.ts';
import {
  GROUP_STRUCT,
  INPUT,
  LANES as LANES_PART,
  MATVEC_OUTPUT,
  ROWS as ROWS_PART,
  STEP,
  WEIGHT,
} from './parts.ts';

export interface MatvecDims extends LinearDims {
  readonly rms_norm_eps: number;
  readonly tuning: MatvecTuning;
  /** Output best: where the pairs of this matrix' workgroups begin. */
  readonly best_offset: number;
}

export interface MatvecTuning {
  readonly WORKGROUP_SIZE: number;
  /** Threads that share a row; a power of two. */
  readonly LANES: number;
  /** Rows of a thread: the part `rows`. */
  readonly ROWS: 2 | 4;
}

/** With the part lanes=alone: software adapters pay dearly for every thread that meets a barrier. */
const SOFTWARE: MatvecTuning = { WORKGROUP_SIZE: 16, LANES: 1, ROWS: 4 };

/**
 * How a matrix is best shared out, and the parts that belong to it. Measured on an H200 (docs/benchmarks.md): what counts is
 * that enough threads have loads in flight, so small matrices get many lanes.
 */
export function matvecTuning(
  { in_dim, out_dim }: Pick<LinearDims, 'in_dim' | 'out_dim'>,
  software: boolean,
): { tuning: MatvecTuning; parts: { lanes: 'shared' | 'alone'; rows: '2' | '4' } } {
  if (software) return { tuning: SOFTWARE, parts: { lanes: 'alone', rows: '4' } };
  const groups = groupsOf(in_dim);
  // So many rows fill a GPU with few threads each.
  const lanes = out_dim >= 32_768 ? 4 : groups >= 96 ? 128 : 32;
  const LANES = Math.min(lanes, 2 ** Math.ceil(Math.log2(groups)));
  const ROWS = out_dim < 2048 ? 2 : 4;
  const WORKGROUP_SIZE = LANES === 128 ? 256 : LANES === 32 && out_dim < 8192 ? 32 : 128;
  return {
    tuning: { WORKGROUP_SIZE, LANES, ROWS },
    parts: { lanes: 'shared', rows: ROWS === 2 ? '2' : '4' },
  };
}

/** Workgroups, and entries of `best`. */
export function matvecGroups({ out_dim, tuning }: Pick<MatvecDims, 'out_dim' | 'tuning'>): number {
  return Math.ceil(out_dim / ((tuning.WORKGROUP_SIZE / tuning.LANES) * tuning.ROWS));
}

/** out = W x + bias for the last token of the step, with RMSNorm before and residual, SwiGLU or half an argmax behind. */
export const matvec = defineKernel({
  name: 'matvec',
  source,
  includes: [STEP, GROUP_STRUCT],
  parts: { weight: WEIGHT, input: INPUT, output: MATVEC_OUTPUT, lanes: LANES_PART, rows: ROWS_PART },
  constants: (dims: MatvecDims) => {
    const { WORKGROUP_SIZE, LANES } = dims.tuning;
    return {
      ...linearConstants(dims),
      rms_norm_eps: f32(dims.rms_norm_eps),
      WORKGROUP_SIZE: u32(WORKGROUP_SIZE),
      LANES: u32(LANES),
      best_offset: u32(dims.best_offset),
    };
  },
  bindings: (dims, parts) => {
    const bytes = linearBytes(dims, parts);
    return {
      weight: readonly(bytes.weight),
      scales: readonly(bytes.scales),
      x: readonly(bytes.x),
      norm_weight: readonly(parts.input === 'rms_norm' ? bytes.x : 16),
      bias: readonly(bytes.bias),
      out: writable(bytes.out),
      best: writable(parts.output === 'best' ? (dims.best_offset + matvecGroups(dims)) * 8 : 16),
      step: uniform(STEP_BYTES),
    };
  },
  grid: (dims) => [matvecGroups(dims), 1, 1],
  refuse: (dims) => refuseLinear(dims),
});

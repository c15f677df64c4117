import source from '../../shaders/matvec.wgsl?raw';
import { defineKernel, readonly, uniform, writable } from '../gpu/kernel.ts';
import { f32, u32 } from '../gpu/link.ts';
import { groupsOf } from '../core/packed.ts';
import { STEP_BYTES } from '../gpu/step.ts';
import { linearBytes, linearConstants, refuseLinear } from './linear.ts';
import type { AttentionAdapter } from './attention_tuning.ts';
import type { LinearDims } from './linear.ts';
import {
  BIAS,
  GROUP_STRUCT,
  INPUT,
  LANES as LANES_PART,
  MATVEC_OUTPUT,
  ROWS as ROWS_PART,
  STEP,
  TOKEN,
  WEIGHT,
  X,
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
  /** Threads that a subgroup has at least; 0: none is used. */
  readonly SUBGROUP: number;
  /** Whether x is read through workgroup memory, which takes subgroups. */
  readonly staged: boolean;
}

/** With the part lanes=alone: software adapters pay dearly for every thread that meets a barrier. */
const SOFTWARE: MatvecTuning = { WORKGROUP_SIZE: 16, LANES: 1, ROWS: 4, SUBGROUP: 0, staged: false };

/** So many groups of x are staged at most: 14 kB of the 16 that every device has. */
const STAGED_GROUPS = 96;
/** So many rows fill a GPU with few threads each. */
const MANY_ROWS = 32_768;

/**
 * How a matrix is best shared out. Measured on an H200 (docs/benchmarks.md): what counts is that x is read in whole cache
 * lines and that enough threads have loads in flight, so small matrices get many lanes.
 */
export function matvecTuning(
  { in_dim, out_dim }: Pick<LinearDims, 'in_dim' | 'out_dim'>,
  { software, subgroupSize }: Pick<AttentionAdapter, 'software' | 'subgroupSize'>,
): MatvecTuning {
  if (software) return SOFTWARE;
  const groups = groupsOf(in_dim);
  const many = out_dim >= MANY_ROWS;
  const most = 2 ** Math.ceil(Math.log2(groups));
  if (subgroupSize >= 4) {
    const SUBGROUP = Math.min(32, subgroupSize);
    if (groups > STAGED_GROUPS)
      return { WORKGROUP_SIZE: 128, LANES: 128, ROWS: out_dim < 2048 ? 2 : 4, SUBGROUP, staged: false };
    const LANES = Math.min(many ? 8 : 32, most);
    return { WORKGROUP_SIZE: 256, LANES, ROWS: many ? 4 : 2, SUBGROUP, staged: true };
  }
  const LANES = Math.min(many ? 4 : groups >= STAGED_GROUPS ? 128 : 32, most);
  const ROWS = out_dim < 2048 ? 2 : 4;
  const WORKGROUP_SIZE = LANES === 128 ? 256 : LANES === 32 && out_dim < 8192 ? 32 : 128;
  return { WORKGROUP_SIZE, LANES, ROWS, SUBGROUP: 0, staged: false };
}

/** The parts that belong to dims. @param token whether steps have one token, or the last of several is meant */
export function matvecParts(
  { has_bias, tuning }: Pick<MatvecDims, 'has_bias' | 'tuning'>,
  token: keyof typeof TOKEN,
): {
  readonly x: keyof typeof X;
  readonly lanes: keyof typeof LANES_PART;
  readonly rows: keyof typeof ROWS_PART;
  readonly bias: keyof typeof BIAS;
  readonly token: keyof typeof TOKEN;
} {
  const { LANES, ROWS, SUBGROUP, staged } = tuning;
  return {
    token,
    bias: has_bias ? 'row' : 'none',
    x: staged ? 'staged' : 'direct',
    lanes: SUBGROUP > 0 ? 'subgroup' : LANES === 1 ? 'alone' : 'shared',
    rows: ROWS === 2 ? '2' : '4',
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
  parts: {
    weight: WEIGHT,
    input: INPUT,
    output: MATVEC_OUTPUT,
    x: X,
    lanes: LANES_PART,
    rows: ROWS_PART,
    bias: BIAS,
    token: TOKEN,
  },
  constants: (dims: MatvecDims) => {
    const { WORKGROUP_SIZE, LANES, SUBGROUP } = dims.tuning;
    return {
      ...linearConstants(dims),
      rms_norm_eps: f32(dims.rms_norm_eps),
      WORKGROUP_SIZE: u32(WORKGROUP_SIZE),
      LANES: u32(LANES),
      SUBGROUP: u32(SUBGROUP),
      best_offset: u32(dims.best_offset),
    };
  },
  bindings: (dims, parts) => {
    const bytes = linearBytes(dims, parts);
    return {
      weight: readonly(bytes.weight),
      scales: readonly(bytes.scales),
      x: readonly(bytes.x),
      norm_weight: parts.input === 'rms_norm' ? readonly(bytes.x) : null,
      bias: dims.has_bias ? readonly(bytes.bias) : null,
      out: writable(bytes.out),
      best: parts.output === 'best' ? writable((dims.best_offset + matvecGroups(dims)) * 8) : null,
      step: parts.token === 'last' ? uniform(STEP_BYTES) : null,
    };
  },
  grid: (dims) => [matvecGroups(dims), 1, 1],
  refuse: (dims, { bias }) =>
    (bias === 'row') === dims.has_bias
      ? refuseLinear(dims)
      : `part bias: expected row where has_bias, else none`,
});

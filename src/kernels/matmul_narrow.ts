import source from '../../shaders/matmul_narrow.wgsl?raw';
import { defineKernel } from '../gpu/kernel.ts';
import { u32 } from '../gpu/link.ts';
import { linearConstants, productBindings, productBytes, refuseLinear } from './linear.ts';
import type { LinearDims } from './linear.ts';
import { matvecGroups } from './matvec.ts';
import type { MatvecTuning } from './matvec.ts';
import { GROUP_STRUCT, OUTPUT, ROWS, STEP, WEIGHT } from './parts.ts';

export interface MatmulNarrowDims extends LinearDims {
  readonly tuning: MatvecTuning;
}

/** Tokens of a workgroup, as in the shader. */
const COLUMNS = 4;

/** A step of so many tokens at most is narrow: each 4 of them read the matrix again, a tile of 64 reads it once. */
export const NARROW_TOKENS = 8;

/** out[t] = W x[t] + bias for all tokens of a step of few, with residual or SwiGLU behind. */
export const matmul_narrow = defineKernel({
  name: 'matmul_narrow',
  source,
  includes: [STEP, GROUP_STRUCT],
  parts: { weight: WEIGHT, output: OUTPUT, rows: ROWS },
  constants: (dims: MatmulNarrowDims) => ({
    ...linearConstants(dims),
    WORKGROUP_SIZE: u32(dims.tuning.WORKGROUP_SIZE),
    LANES: u32(dims.tuning.LANES),
  }),
  bindings: (dims: MatmulNarrowDims, parts) => productBindings(dims, parts),
  grid: (dims) => (step) => [matvecGroups(dims), Math.ceil(step.num_tokens / COLUMNS), 1],
  refuse: (dims) => refuseLinear(dims),
  bytesMoved: (dims: MatmulNarrowDims, step, parts) => productBytes(dims, step, parts),
});

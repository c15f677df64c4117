import source from '../../shaders/matmul.wgsl?raw';
import { defineKernel } from '../gpu/kernel.ts';
import { linearConstants, productBindings, productBytes, refuseLinear } from './linear.ts';
import type { LinearDims } from './linear.ts';
import { GROUP_STRUCT, OUTPUT, STEP, WEIGHT, WRITE_ROWS } from './parts.ts';

/** Rows of a workgroup and tokens of a thread, as in the shader. */
const ROWS = 128;
const TOKENS = 8;

/** out[t] = W x[t] + bias for all tokens of the step, with residual or SwiGLU behind. */
export const matmul = defineKernel({
  name: 'matmul',
  source,
  includes: [STEP, GROUP_STRUCT, WRITE_ROWS],
  parts: { weight: WEIGHT, output: OUTPUT },
  constants: (dims: LinearDims) => linearConstants(dims),
  bindings: productBindings,
  grid: (dims) => (step) => [Math.ceil(dims.out_dim / ROWS), Math.ceil(step.num_tokens / TOKENS), 1],
  refuse: (dims) => refuseLinear(dims),
  bytesMoved: productBytes,
});

import source from '../../shaders/matmul.wgsl?raw';
import { defineKernel, readonly, uniform, writable } from '../gpu/kernel.ts';
import { STEP_BYTES } from '../gpu/step.ts';
import { linearBytes, linearConstants, refuseLinear } from './linear.ts';
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
  bindings: (dims, parts) => {
    const bytes = linearBytes(dims, parts);
    const before = dims.max_tokens - 1;
    return {
      weight: readonly(bytes.weight),
      scales: readonly(bytes.scales),
      x: readonly(before * dims.x_stride * 4 + bytes.x),
      bias: readonly(bytes.bias),
      out: writable(before * dims.out_stride * 4 + bytes.out),
      step: uniform(STEP_BYTES),
    };
  },
  grid: (dims) => (step) => [Math.ceil(dims.out_dim / ROWS), Math.ceil(step.num_tokens / TOKENS), 1],
  refuse: (dims) => refuseLinear(dims),
  bytesMoved: (dims, step, parts) => {
    const bytes = linearBytes(dims, parts);
    return bytes.weight + bytes.scales + bytes.bias + step.num_tokens * (bytes.x + bytes.out);
  },
});

import source from '../../shaders/output_error.wgsl?raw';
import { defineKernel, readonly, uniform, writable } from '../gpu/kernel.ts';
import { u32 } from '../gpu/link.ts';
import { STEP_BYTES } from '../gpu/step.ts';
import { refuseLanes } from './causal_softmax.ts';
import { REDUCE, STEP } from './parts.ts';

export interface OutputErrorDims {
  readonly dim: number;
  readonly wanted_stride: number;
  /** All of them get an error; those behind the step's tokens one of 0. */
  readonly max_tokens: number;
  /** Threads of a token, a power of two. */
  readonly lanes: number;
}

/** error[t] = x[t] - wanted[t]; sums[t] += (|error|², |wanted|²) */
export const output_error = defineKernel({
  name: 'output_error',
  source,
  includes: [STEP, REDUCE],
  parts: {},
  constants: ({ dim, wanted_stride, lanes }: OutputErrorDims) => ({
    dim: u32(dim),
    wanted_stride: u32(wanted_stride),
    WORKGROUP_SIZE: u32(lanes),
  }),
  bindings: ({ dim, wanted_stride, max_tokens }) => ({
    x: readonly(max_tokens * dim * 4),
    wanted: readonly(((max_tokens - 1) * wanted_stride + dim) * 4),
    error: writable(max_tokens * dim * 4),
    sums: writable(max_tokens * 8),
    step: uniform(STEP_BYTES),
  }),
  grid: ({ max_tokens }) => [max_tokens, 1, 1],
  refuse: ({ dim, wanted_stride, max_tokens, lanes }) =>
    dim >= 1 && wanted_stride >= dim && max_tokens >= 1 && max_tokens <= 65535
      ? refuseLanes(lanes)
      : `expected rows of dim values, got dim ${dim}, wanted_stride ${wanted_stride}, ${max_tokens} tokens`,
});

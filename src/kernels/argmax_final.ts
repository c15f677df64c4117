import source from '../../shaders/argmax_final.wgsl?raw';
import { defineKernel, readonly, uniform, writable } from '../gpu/kernel.ts';
import { u32 } from '../gpu/link.ts';
import { STEP_BYTES } from '../gpu/step.ts';
import { STEP } from './parts.ts';

export interface ArgmaxDims {
  /** (value, index) pairs: what matvec with output best leaves. */
  readonly slices: number;
  /** Tokens that `tokens` has room for. */
  readonly context: number;
}

/** tokens[position + num_tokens] = index of the largest logit */
export const argmax_final = defineKernel({
  name: 'argmax_final',
  source,
  includes: [STEP],
  parts: {},
  constants: ({ slices }: ArgmaxDims) => ({ slices: u32(slices) }),
  bindings: ({ slices, context }) => ({
    best: readonly(slices * 8),
    tokens: writable(context * 4),
    step: uniform(STEP_BYTES),
  }),
  grid: () => [1, 1, 1],
  bytesMoved: ({ slices }) => slices * 8 + 4,
});

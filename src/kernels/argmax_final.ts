import source from '../../shaders/argmax_final.wgsl?raw';
import { defineKernel, readonly, uniform, writable } from '../gpu/kernel.ts';
import { u32 } from '../gpu/link.ts';
import { STEP_BYTES } from '../gpu/step.ts';
import { argmaxSlices } from './argmax_partial.ts';
import type { ArgmaxDims } from './argmax_partial.ts';
import { STEP } from './parts.ts';

/** tokens[position + num_tokens] = index of the largest logit */
export const argmax_final = defineKernel({
  name: 'argmax_final',
  source,
  includes: [STEP],
  parts: {},
  constants: ({ vocab_size }: ArgmaxDims) => ({ slices: u32(argmaxSlices(vocab_size)) }),
  bindings: ({ vocab_size, context }) => ({
    best: readonly(argmaxSlices(vocab_size) * 8),
    tokens: writable(context * 4),
    step: uniform(STEP_BYTES),
  }),
  grid: () => [1, 1, 1],
  bytesMoved: ({ vocab_size }) => argmaxSlices(vocab_size) * 8 + 4,
});

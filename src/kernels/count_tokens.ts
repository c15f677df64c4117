import source from '../../shaders/count_tokens.wgsl?raw';
import { defineKernel, readonly, uniform, writable } from '../gpu/kernel.ts';
import { u32 } from '../gpu/link.ts';
import { STEP_BYTES } from '../gpu/step.ts';
import { STEP } from './parts.ts';
import type { VocabularyDims } from './sample.ts';

/** Marks the ids of the step's tokens as "in the prompt", for the penalties of `sample`. Once a request. */
export const count_tokens = defineKernel({
  name: 'count_tokens',
  source,
  includes: [STEP],
  parts: {},
  constants: ({ vocab_size }: VocabularyDims) => ({ vocab_size: u32(vocab_size) }),
  bindings: ({ vocab_size, context }) => ({
    tokens: readonly(context * 4),
    counts: writable(vocab_size * 4),
    step: uniform(STEP_BYTES),
  }),
  grid: () => (step) => [Math.ceil(step.num_tokens / 64), 1, 1],
  bytesMoved: (_, step) => step.num_tokens * 12,
});

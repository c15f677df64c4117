import source from '../../shaders/compare_logits.wgsl?raw';
import { defineKernel, readonly, uniform, writable } from '../gpu/kernel.ts';
import { u32 } from '../gpu/link.ts';
import { STEP_BYTES } from '../gpu/step.ts';
import { REDUCE, STEP, stride } from './parts.ts';
import type { ScoreDims } from './score_tokens.ts';

/** comparison[position + t] = (KL(other || logits), 1 where both are largest at the same place) */
export const compare_logits = defineKernel({
  name: 'compare_logits',
  source,
  includes: [STEP, REDUCE],
  parts: {},
  constants: ({ vocab_size }: ScoreDims) => ({
    vocab_size: u32(vocab_size),
    stride: u32(stride(vocab_size)),
  }),
  bindings: ({ vocab_size, context, max_tokens }) => ({
    logits: readonly(max_tokens * stride(vocab_size) * 4),
    other: readonly(max_tokens * stride(vocab_size) * 4),
    scores: readonly(context * 8),
    other_scores: readonly(context * 8),
    comparison: writable(context * 8),
    step: uniform(STEP_BYTES),
  }),
  grid: () => (step) => [step.num_tokens, 1, 1],
  bytesMoved: ({ vocab_size }, step) => step.num_tokens * (2 * vocab_size + 6) * 4,
});

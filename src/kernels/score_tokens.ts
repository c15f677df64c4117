import source from '../../shaders/score_tokens.wgsl?raw';
import { defineKernel, readonly, uniform, writable } from '../gpu/kernel.ts';
import { u32 } from '../gpu/link.ts';
import { STEP_BYTES } from '../gpu/step.ts';
import { REDUCE, STEP, stride } from './parts.ts';

export interface ScoreDims {
  readonly vocab_size: number;
  /** Tokens that `tokens` and `scores` have room for: one more than are scored. */
  readonly context: number;
  readonly max_tokens: number;
}

/** scores[position + t] = (loss of the next token, log Σ e^logits) */
export const score_tokens = defineKernel({
  name: 'score_tokens',
  source,
  includes: [STEP, REDUCE],
  parts: {},
  constants: ({ vocab_size }: ScoreDims) => ({
    vocab_size: u32(vocab_size),
    stride: u32(stride(vocab_size)),
  }),
  bindings: ({ vocab_size, context, max_tokens }) => ({
    logits: readonly(max_tokens * stride(vocab_size) * 4),
    tokens: readonly(context * 4),
    scores: writable(context * 8),
    step: uniform(STEP_BYTES),
  }),
  grid: () => (step) => [step.num_tokens, 1, 1],
  bytesMoved: ({ vocab_size }, step) => step.num_tokens * (2 * vocab_size + 3) * 4,
});

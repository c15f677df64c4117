import source from '../../shaders/argmax_partial.wgsl?raw';
import { defineKernel, readonly, writable } from '../gpu/kernel.ts';
import { u32 } from '../gpu/link.ts';

export interface ArgmaxDims {
  readonly vocab_size: number;
  /** Tokens that `tokens` has room for. */
  readonly context: number;
}

const CHUNK = 1024;

/** Workgroups of argmax_partial, and entries that argmax_final looks at. */
export function argmaxSlices(vocab_size: number): number {
  return Math.ceil(vocab_size / CHUNK);
}

/** best[i] = (largest logit of slice i, its index) */
export const argmax_partial = defineKernel({
  name: 'argmax_partial',
  source,
  includes: [],
  parts: {},
  constants: ({ vocab_size }: ArgmaxDims) => ({ vocab_size: u32(vocab_size) }),
  bindings: ({ vocab_size }) => ({
    logits: readonly(vocab_size * 4),
    best: writable(argmaxSlices(vocab_size) * 8),
  }),
  grid: ({ vocab_size }) => [argmaxSlices(vocab_size), 1, 1],
});

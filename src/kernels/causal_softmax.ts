import source from '../../shaders/causal_softmax.wgsl?raw';
import { defineKernel, writable } from '../gpu/kernel.ts';
import { u32 } from '../gpu/link.ts';
import type { Constant } from '../gpu/link.ts';
import { REDUCE } from './parts.ts';

/** Square causal matrices, one a head: [heads, tokens, tokens]. */
export interface CausalDims {
  readonly heads: number;
  readonly tokens: number;
  /** Threads of a row, a power of two. */
  readonly lanes: number;
}

export const causalBytes = ({ heads, tokens }: CausalDims): number => heads * tokens * tokens * 4;

export function causalConstants({ tokens, lanes }: CausalDims): Record<string, Constant> {
  return { row_tokens: u32(tokens), WORKGROUP_SIZE: u32(lanes) };
}

export function refuseCausal({ heads, tokens, lanes }: CausalDims): string | null {
  if (heads < 1 || tokens < 1 || tokens > 65535) return `expected heads and tokens, got ${heads}, ${tokens}`;
  return refuseLanes(lanes);
}

/** Threads that the part `reduce` can join. */
export function refuseLanes(lanes: number): string | null {
  return Number.isInteger(Math.log2(lanes)) && lanes <= 256
    ? null
    : `lanes: expected a power of two, at most 256, got ${lanes}`;
}

/** scores[h, t] = softmax over n <= t, and 0 behind t */
export const causal_softmax = defineKernel({
  name: 'causal_softmax',
  source,
  includes: [REDUCE],
  parts: {},
  constants: (dims: CausalDims) => causalConstants(dims),
  bindings: (dims) => ({ scores: writable(causalBytes(dims)) }),
  grid: ({ heads, tokens }) => [tokens, heads, 1],
  refuse: refuseCausal,
});

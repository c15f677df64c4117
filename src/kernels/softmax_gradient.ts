import source from '../../shaders/softmax_gradient.wgsl?raw';
import { defineKernel, readonly, writable } from '../gpu/kernel.ts';
import { causalBytes, causalConstants, refuseCausal } from './causal_softmax.ts';
import type { CausalDims } from './causal_softmax.ts';
import { REDUCE } from './parts.ts';

/** gradient[h, t, n] = p (g - Σ_i p_i g_i), and 0 behind t */
export const softmax_gradient = defineKernel({
  name: 'softmax_gradient',
  source,
  includes: [REDUCE],
  parts: {},
  constants: (dims: CausalDims) => causalConstants(dims),
  bindings: (dims) => ({
    probabilities: readonly(causalBytes(dims)),
    gradient: writable(causalBytes(dims)),
  }),
  grid: ({ heads, tokens }) => [tokens, heads, 1],
  refuse: refuseCausal,
});

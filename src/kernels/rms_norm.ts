import source from '../../shaders/rms_norm.wgsl?raw';
import { defineKernel, readonly, writable } from '../gpu/kernel.ts';
import { f32, u32 } from '../gpu/link.ts';
import { stride } from './parts.ts';

export interface RmsNormDims {
  readonly in_dim: number;
  readonly rms_norm_eps: number;
  readonly max_tokens: number;
}

/** out[t] = x[t] * norm_weight / sqrt(mean(x[t]²) + rms_norm_eps). Prefill only. */
export const rms_norm = defineKernel({
  name: 'rms_norm',
  source,
  includes: [],
  parts: {},
  constants: ({ in_dim, rms_norm_eps }: RmsNormDims) => ({
    in_dim: u32(in_dim),
    stride: u32(stride(in_dim)),
    rms_norm_eps: f32(rms_norm_eps),
  }),
  bindings: ({ in_dim, max_tokens }) => ({
    x: readonly(max_tokens * stride(in_dim) * 4),
    norm_weight: readonly(stride(in_dim) * 4),
    out: writable(max_tokens * stride(in_dim) * 4),
  }),
  grid: () => (step) => [step.num_tokens, 1, 1],
  bytesMoved: ({ in_dim }, step) => (2 * step.num_tokens + 1) * stride(in_dim) * 4,
});

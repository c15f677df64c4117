import source from '../../shaders/quadratic_forms.wgsl?raw';
import { defineKernel, readonly, uniform, writable } from '../gpu/kernel.ts';
import { u32 } from '../gpu/link.ts';
import { STEP_BYTES } from '../gpu/step.ts';
import { STEP } from './parts.ts';

export interface QuadraticFormsDims {
  readonly num_heads: number;
  /** Heads that look at the same vector. */
  readonly share: number;
  readonly dim: number;
  readonly x_stride: number;
  readonly x_offset: number;
  readonly max_tokens: number;
}

/** Bytes of workgroup memory: 16 tokens, and 4 partial sums a thread. */
const workgroupBytes = (dim: number): number => dim * 64 + 64 * 64;
const MAX_WORKGROUP_BYTES = 16384;

/** out[t, h] = xᵀ S_h x */
export const quadratic_forms = defineKernel({
  name: 'quadratic_forms',
  source,
  includes: [STEP],
  parts: {},
  constants: ({ num_heads, share, dim, x_stride, x_offset }: QuadraticFormsDims) => ({
    num_heads: u32(num_heads),
    share: u32(share),
    dim: u32(dim),
    x_stride: u32(x_stride),
    x_offset: u32(x_offset),
  }),
  bindings: ({ num_heads, share, dim, x_stride, x_offset, max_tokens }) => ({
    x: readonly(((max_tokens - 1) * x_stride + x_offset + Math.ceil(num_heads / share) * dim) * 4),
    forms: readonly(num_heads * dim * dim * 4),
    out: writable(max_tokens * num_heads * 4),
    step: uniform(STEP_BYTES),
  }),
  grid:
    ({ num_heads }) =>
    (step) => [Math.ceil(step.num_tokens / 16), num_heads, 1],
  refuse: ({ dim }) =>
    workgroupBytes(dim) <= MAX_WORKGROUP_BYTES
      ? null
      : `dim: expected at most ${(MAX_WORKGROUP_BYTES - 4096) / 64}, got ${dim}`,
  bytesMoved: ({ num_heads, dim }, step) =>
    num_heads * dim * dim * 4 + step.num_tokens * num_heads * (dim + 1) * 4,
});

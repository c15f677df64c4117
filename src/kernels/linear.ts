import { groupsOf } from '../core/packed.ts';
import type { WeightFormat } from '../core/packed.ts';
import { readonly, uniform, writable } from '../gpu/kernel.ts';
import type { Binding } from '../gpu/kernel.ts';
import { bool, u32 } from '../gpu/link.ts';
import { STEP_BYTES } from '../gpu/step.ts';
import type { Step } from '../gpu/step.ts';
import type { Constant } from '../gpu/link.ts';
import { weightBytes } from './parts.ts';

/** What matvec and matmul have in common: a matrix [out_dim, in_dim], or some of its rows. */
export interface LinearDims {
  readonly in_dim: number;
  readonly out_dim: number;
  /** Elements from one token's x to the next, and from one token's output to the next. */
  readonly x_stride: number;
  readonly out_stride: number;
  /** Where this piece of the matrix begins within the output and the bias. */
  readonly row_offset: number;
  readonly has_bias: boolean;
  readonly max_tokens: number;
}

export function linearConstants(dims: LinearDims): Record<string, Constant> {
  return {
    in_dim: u32(dims.in_dim),
    in_groups: u32(groupsOf(dims.in_dim)),
    out_dim: u32(dims.out_dim),
    x_stride: u32(dims.x_stride),
    out_stride: u32(dims.out_stride),
    row_offset: u32(dims.row_offset),
    has_bias: bool(dims.has_bias),
  };
}

/** Bytes of x, bias and output that one token needs. SwiGLU halves the output. */
export function linearBytes(
  dims: LinearDims,
  parts: { readonly weight: WeightFormat; readonly output: 'store' | 'residual' | 'swiglu' | 'best' },
): { weight: number; scales: number; x: number; bias: number; out: number } {
  const { quants, scales } = weightBytes(dims.out_dim, dims.in_dim, parts.weight);
  const rows = dims.row_offset + dims.out_dim;
  return {
    weight: quants,
    scales,
    x: groupsOf(dims.in_dim) * 128,
    bias: dims.has_bias ? rows * 4 : 4,
    out: (parts.output === 'swiglu' ? rows / 2 : rows) * 4,
  };
}

export function refuseLinear(dims: LinearDims): string | null {
  if (dims.x_stride % 4 !== 0 || dims.x_stride < groupsOf(dims.in_dim) * 32) {
    return `x_stride: expected a multiple of 4 and at least ${dims.in_dim}, padded to 32, got ${dims.x_stride}`;
  }
  return null;
}

type ProductParts = Parameters<typeof linearBytes>[1];

/** Bindings of a product of the matrix with all tokens of a step. */
export function productBindings(
  dims: LinearDims,
  parts: ProductParts,
): Record<'weight' | 'scales' | 'x' | 'bias' | 'out' | 'step', Binding> {
  const bytes = linearBytes(dims, parts);
  const before = dims.max_tokens - 1;
  return {
    weight: readonly(bytes.weight),
    scales: readonly(bytes.scales),
    x: readonly(before * dims.x_stride * 4 + bytes.x),
    bias: readonly(bytes.bias),
    out: writable(before * dims.out_stride * 4 + bytes.out),
    step: uniform(STEP_BYTES),
  };
}

/** What such a product reads and writes at least. */
export function productBytes(dims: LinearDims, { num_tokens }: Step, parts: ProductParts): number {
  const bytes = linearBytes(dims, parts);
  return bytes.weight + bytes.scales + bytes.bias + num_tokens * (bytes.x + bytes.out);
}

import source from '../../shaders/adam_step.wgsl?raw';
import { defineKernel, uniform, writable } from '../gpu/kernel.ts';

export interface AdamDims {
  /** Elements of the tensor. Buffers are taken whole: what is behind them is trained too, and does no harm where it is 0. */
  readonly count: number;
}

/** The numbers of one step; shaders/adam_step.wgsl has the same fields in the same order. */
export interface AdamNumbers {
  readonly rate: number;
  /** 1 - 0.9^t and 1 - 0.98^t, t counting from 1. */
  readonly first_correction: number;
  readonly second_correction: number;
  /** What the gradient is multiplied with before all else. */
  readonly gradient_scale: number;
}

export const ADAM_BETAS = [0.9, 0.98] as const;
export const ADAM_BYTES = 16;
/** 256 threads each; a tensor of more elements has several a thread. */
const MOST_WORKGROUPS = 4096;

export function packAdam(numbers: AdamNumbers): Float32Array<ArrayBuffer> {
  const { rate, first_correction, second_correction, gradient_scale } = numbers;
  return new Float32Array([rate, first_correction, second_correction, gradient_scale]);
}

/** One step of Adam on one tensor; the gradient is 0 afterwards. */
export const adam_step = defineKernel({
  name: 'adam_step',
  source,
  includes: [],
  parts: {},
  constants: (_dims: AdamDims) => ({}),
  bindings: ({ count }) => ({
    value: writable(count * 4),
    gradient: writable(count * 4),
    first: writable(count * 4),
    second: writable(count * 4),
    adam: uniform(ADAM_BYTES),
  }),
  grid: ({ count }) => [Math.min(MOST_WORKGROUPS, Math.ceil(count / 256)), 1, 1],
  refuse: ({ count }) => (count >= 1 ? null : `count: expected at least 1, got ${count}`),
  bytesMoved: ({ count }) => count * 7 * 4,
});

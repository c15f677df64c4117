import source from '../../shaders/add_slices.wgsl?raw';
import { defineKernel, writable } from '../gpu/kernel.ts';
import { u32 } from '../gpu/link.ts';

export interface AddSlicesDims {
  readonly count: number;
  readonly slices: number;
}

/** 256 threads each; of more elements a thread takes several. */
const MOST_WORKGROUPS = 4096;

/** sums = Σ slices, which are 0 afterwards. */
export const add_slices = defineKernel({
  name: 'add_slices',
  source,
  includes: [],
  parts: {},
  constants: ({ count, slices }: AddSlicesDims) => ({ count: u32(count), SLICES: u32(slices) }),
  bindings: ({ count, slices }) => ({ slices: writable(slices * count * 4), sums: writable(count * 4) }),
  grid: ({ count }) => [Math.min(MOST_WORKGROUPS, Math.ceil(count / 256)), 1, 1],
  refuse: ({ count, slices }) =>
    count >= 1 && slices >= 1
      ? null
      : `expected at least one slice of one element, got ${slices} of ${count}`,
});

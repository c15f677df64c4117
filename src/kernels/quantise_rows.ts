import source from '../../shaders/quantise_rows.wgsl?raw';
import { groupsOf } from '../core/packed.ts';
import { defineKernel, readonly, writable } from '../gpu/kernel.ts';
import { bool, f32, u32 } from '../gpu/link.ts';
import { REDUCE } from './parts.ts';

export interface QuantiseRowsDims {
  readonly in_dim: number;
  readonly max_tokens: number;
  /** RMSNorm first; null: none. */
  readonly rms_norm_eps: number | null;
}

/** Quads of a workgroup, as in the shader. */
const THREADS = 256;

/** x, normed where it is asked for, as int8 in groups of 32. */
export const quantise_rows = defineKernel({
  name: 'quantise_rows',
  source,
  includes: [REDUCE],
  parts: {},
  constants: ({ in_dim, rms_norm_eps }: QuantiseRowsDims) => ({
    in_dim: u32(in_dim),
    in_groups: u32(groupsOf(in_dim)),
    normed: bool(rms_norm_eps !== null),
    rms_norm_eps: f32(rms_norm_eps ?? 0),
  }),
  bindings: ({ in_dim, max_tokens, rms_norm_eps }) => {
    const groups = groupsOf(in_dim);
    return {
      x: readonly(max_tokens * groups * 128),
      norm_weight: readonly(rms_norm_eps === null ? 16 : groups * 128),
      quants: writable(max_tokens * groups * 32),
      steps: writable(max_tokens * groups * 8),
    };
  },
  grid: ({ in_dim }) => {
    const blocks = Math.ceil((groupsOf(in_dim) * 8) / THREADS);
    return (step) => [blocks, step.num_tokens, 1];
  },
});

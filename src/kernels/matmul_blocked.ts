import source from '../../shaders/matmul_blocked.wgsl?raw';
import { defineKernel } from '../gpu/kernel.ts';
import { bool, u32 } from '../gpu/link.ts';
import { linearConstants, productBindings, productBytes, refuseLinear } from './linear.ts';
import type { LinearDims } from './linear.ts';
import { GROUP_STRUCT, OUTPUT, STEP, WEIGHT, WRITE_ROWS } from './parts.ts';

/** A workgroup has ACROSS x DOWN threads, and each ROWS x TOKENS outputs. DEPTH: quads of columns a turn. */
export interface BlockTuning {
  readonly ACROSS: 8 | 16;
  readonly DOWN: 4 | 8 | 16;
  readonly ROWS: 4 | 8;
  readonly TOKENS: 4 | 8;
  readonly DEPTH: 2 | 4 | 8;
  readonly PREFETCH: boolean;
}

export interface MatmulBlockedDims extends LinearDims {
  readonly tile: BlockTuning;
}

export const matmul_blocked = defineKernel({
  name: 'matmul_blocked',
  source,
  includes: [STEP, GROUP_STRUCT, WRITE_ROWS],
  parts: { weight: WEIGHT, output: OUTPUT },
  constants: (dims: MatmulBlockedDims) => {
    const { ACROSS, DOWN, ROWS, TOKENS, DEPTH, PREFETCH } = dims.tile;
    return {
      ...linearConstants(dims),
      ACROSS: u32(ACROSS),
      DOWN: u32(DOWN),
      ROWS: u32(ROWS),
      TOKENS: u32(TOKENS),
      DEPTH: u32(DEPTH),
      PREFETCH: bool(PREFETCH),
    };
  },
  bindings: (dims: MatmulBlockedDims, parts) => productBindings(dims, parts),
  grid:
    ({ out_dim, tile: { ACROSS, DOWN, ROWS, TOKENS } }) =>
    ({ num_tokens }) => [Math.ceil(out_dim / (ACROSS * ROWS)), Math.ceil(num_tokens / (DOWN * TOKENS)), 1],
  refuse: (dims) => refuseLinear(dims),
  bytesMoved: (dims: MatmulBlockedDims, step, parts) => productBytes(dims, step, parts),
});

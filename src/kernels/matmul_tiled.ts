import source from '../../shaders/matmul_tiled.wgsl?raw';
import { defineKernel } from '../gpu/kernel.ts';
import { u32 } from '../gpu/link.ts';
import { linearConstants, productBindings, productBytes, refuseLinear } from './linear.ts';
import type { LinearDims } from './linear.ts';
import { GROUP_STRUCT, OUTPUT, STEP, WEIGHT, WRITE_ROWS } from './parts.ts';

export interface MatmulTiledDims extends LinearDims {
  /** A tile has 64 QUADS tokens and rows: 1 where there are few tiles, 2 where there are many. */
  readonly QUADS: 1 | 2;
}

/** Columns a turn: 16 kB of workgroup memory, which every device has. */
const TILE_K = { 1: 32, 2: 16 } as const;

/** Workgroups that keep a large GPU busy. */
const ENOUGH_TILES = 128;

/** Large tiles, where there are enough of them. */
export function tiled(dims: LinearDims): MatmulTiledDims {
  const large = Math.ceil(dims.out_dim / 128) * Math.ceil(dims.max_tokens / 128);
  return { ...dims, QUADS: large >= ENOUGH_TILES ? 2 : 1 };
}

/** matmul for GPUs that are faster at workgroup memory than at global memory, which is all that are not software. */
export const matmul_tiled = defineKernel({
  name: 'matmul_tiled',
  source,
  includes: [STEP, GROUP_STRUCT, WRITE_ROWS],
  parts: { weight: WEIGHT, output: OUTPUT },
  constants: (dims: MatmulTiledDims) => ({
    ...linearConstants(dims),
    QUADS: u32(dims.QUADS),
    TILE_K: u32(TILE_K[dims.QUADS]),
  }),
  bindings: (dims: MatmulTiledDims, parts) => productBindings(dims, parts),
  grid: (dims) => (step) => {
    const side = 64 * dims.QUADS;
    return [Math.ceil(dims.out_dim / side), Math.ceil(step.num_tokens / side), 1];
  },
  refuse: (dims) => refuseLinear(dims),
  bytesMoved: (dims: MatmulTiledDims, step, parts) => productBytes(dims, step, parts),
});

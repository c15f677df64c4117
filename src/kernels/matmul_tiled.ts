import source from '../../shaders/matmul_tiled.wgsl?raw';
import { defineKernel } from '../gpu/kernel.ts';
import { u32 } from '../gpu/link.ts';
import { linearConstants, productBindings, productBytes, refuseLinear } from './linear.ts';
import type { LinearDims } from './linear.ts';
import { GROUP_STRUCT, OUTPUT, STEP, WEIGHT, WRITE_ROWS } from './parts.ts';

export interface MatmulTiledDims extends LinearDims {
  /** A tile has 8 SIDE tokens and rows: 64 where there are few tiles, 128 where there are many. */
  readonly SIDE: 8 | 16;
}

/** Workgroups that keep a large GPU busy. */
const ENOUGH_TILES = 128;
/** Of the large tiles, as in the shader: more than WebGPU's smallest device has. */
const LARGE_BYTES = 17_152;

/** Large tiles, where there are enough of them and they fit. */
export function tiled(dims: LinearDims, workgroupBytes: number): MatmulTiledDims {
  const large = Math.ceil(dims.out_dim / 128) * Math.ceil(dims.max_tokens / 128);
  return { ...dims, SIDE: large >= ENOUGH_TILES && workgroupBytes >= LARGE_BYTES ? 16 : 8 };
}

/** matmul for GPUs that are faster at workgroup memory than at global memory, which is all that are not software. */
export const matmul_tiled = defineKernel({
  name: 'matmul_tiled',
  source,
  includes: [STEP, GROUP_STRUCT, WRITE_ROWS],
  parts: { weight: WEIGHT, output: OUTPUT },
  constants: (dims: MatmulTiledDims) => ({ ...linearConstants(dims), SIDE: u32(dims.SIDE) }),
  bindings: (dims: MatmulTiledDims, parts) => productBindings(dims, parts),
  grid: (dims) => (step) => {
    const span = 8 * dims.SIDE;
    return [Math.ceil(dims.out_dim / span), Math.ceil(step.num_tokens / span), 1];
  },
  refuse: (dims) => refuseLinear(dims),
  bytesMoved: (dims: MatmulTiledDims, step, parts) => productBytes(dims, step, parts),
});

import source from '../../shaders/matmul_int8.wgsl?raw';
import { groupsOf } from '../core/packed.ts';
import { defineKernel, readonly } from '../gpu/kernel.ts';
import { bool, u32 } from '../gpu/link.ts';
import { linearConstants, productBindings, refuseLinear } from './linear.ts';
import type { LinearDims } from './linear.ts';
import { OUTPUT, PACKED, STEP, WRITE_ROWS } from './parts.ts';

export interface MatmulInt8Dims extends LinearDims {
  /** Groups of 32 columns a turn: in_dim has a multiple of so many. */
  readonly DEPTH: 1 | 2;
}

/** Rows and tokens of a tile, as in the shader. */
const SPAN = 64;
/** From here on twice as many columns a turn were 7 % faster on an H200, below it slower. */
const LARGE = 2048;

export function int8Tiled(dims: LinearDims): MatmulInt8Dims {
  const large = Math.min(dims.in_dim, dims.out_dim) >= LARGE && groupsOf(dims.in_dim) % 2 === 0;
  return { ...dims, DEPTH: large ? 2 : 1 };
}

/** matmul_tiled with activations that quantise_rows made 8 bits of: four products an instruction. */
export const matmul_int8 = defineKernel({
  name: 'matmul_int8',
  source,
  includes: [STEP, WRITE_ROWS],
  parts: { packed: PACKED, output: OUTPUT },
  constants: (dims: MatmulInt8Dims, { packed }) => ({
    ...linearConstants(dims),
    has_minimum: bool(packed === 'q4_1'),
    DEPTH: u32(dims.DEPTH),
  }),
  bindings: (dims: MatmulInt8Dims, { packed, output }) => {
    const { weight, scales, bias, out, step } = productBindings(dims, { weight: packed, output });
    const groups = dims.max_tokens * groupsOf(dims.in_dim);
    return { weight, scales, x: readonly(groups * 32), x_scales: readonly(groups * 8), bias, out, step };
  },
  grid:
    ({ out_dim }) =>
    ({ num_tokens }) => [Math.ceil(out_dim / SPAN), Math.ceil(num_tokens / SPAN), 1],
  refuse: (dims) => refuseLinear(dims),
});

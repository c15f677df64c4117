import source from '../../shaders/matmul_int8.wgsl?raw';
import { groupsOf } from '../core/packed.ts';
import { defineKernel, readonly } from '../gpu/kernel.ts';
import { bool, u32 } from '../gpu/link.ts';
import { linearConstants, productBindings, productBytes, refuseLinear } from './linear.ts';
import type { LinearDims } from './linear.ts';
import { OUTPUT, PACKED, STEP, WRITE_ROWS } from './parts.ts';

/** A workgroup has ACROSS x DOWN threads, and each ROWS x TOKENS outputs. DEPTH: groups of 32 columns a turn. */
export interface TileTuning {
  readonly ACROSS: 8 | 16;
  readonly DOWN: 4 | 8 | 16;
  readonly ROWS: 4 | 8;
  readonly TOKENS: 4 | 8;
  readonly DEPTH: 1 | 2;
}

export interface MatmulInt8Dims extends LinearDims {
  readonly tile: TileTuning;
}

/** Workgroups that keep a large GPU busy. */
const ENOUGH_TILES = 128;

/** The largest tiles of which there are enough. */
export function int8Tile({ in_dim, out_dim, max_tokens }: LinearDims): TileTuning {
  const DEPTH = groupsOf(in_dim) % 2 === 0 ? 2 : 1;
  const large: TileTuning = { ACROSS: 16, DOWN: 16, ROWS: 8, TOKENS: 8, DEPTH };
  const tiles = Math.ceil(out_dim / 128) * Math.ceil(max_tokens / 128);
  return tiles >= ENOUGH_TILES ? large : { ...large, ACROSS: 8, DOWN: 8 };
}

/** matmul_tiled with activations that quantise_rows made 8 bits of: four products an instruction. */
export const matmul_int8 = defineKernel({
  name: 'matmul_int8',
  source,
  includes: [STEP, WRITE_ROWS],
  parts: { packed: PACKED, output: OUTPUT },
  constants: (dims: MatmulInt8Dims, { packed }) => {
    const { ACROSS, DOWN, ROWS, TOKENS, DEPTH } = dims.tile;
    return {
      ...linearConstants(dims),
      has_minimum: bool(packed === 'q4_1'),
      ACROSS: u32(ACROSS),
      DOWN: u32(DOWN),
      ROWS: u32(ROWS),
      TOKENS: u32(TOKENS),
      DEPTH: u32(DEPTH),
    };
  },
  bindings: (dims: MatmulInt8Dims, { packed, output }) => {
    const { weight, scales, bias, out, step } = productBindings(dims, { weight: packed, output });
    const groups = dims.max_tokens * groupsOf(dims.in_dim);
    return { weight, scales, x: readonly(groups * 32), x_scales: readonly(groups * 8), bias, out, step };
  },
  grid:
    ({ out_dim, tile: { ACROSS, DOWN, ROWS, TOKENS } }) =>
    ({ num_tokens }) => [Math.ceil(out_dim / (ACROSS * ROWS)), Math.ceil(num_tokens / (DOWN * TOKENS)), 1],
  refuse: (dims) =>
    groupsOf(dims.in_dim) % dims.tile.DEPTH === 0
      ? refuseLinear(dims)
      : `DEPTH: expected a divisor of ${groupsOf(dims.in_dim)} groups, got ${dims.tile.DEPTH}`,
  bytesMoved: (dims, step, { packed, output }) => {
    const groups = step.num_tokens * groupsOf(dims.in_dim);
    // Of x a group is 40 bytes instead of 128.
    return productBytes(dims, step, { weight: packed, output }) - groups * 88;
  },
});

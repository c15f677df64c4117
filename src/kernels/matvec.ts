import source from '../../shaders/matvec.wgsl?raw';
import { defineKernel, readonly, uniform, writable } from '../gpu/kernel.ts';
import { f32, u32 } from '../gpu/link.ts';
import { STEP_BYTES } from '../gpu/step.ts';
import { linearBytes, linearConstants, refuseLinear } from './linear.ts';
import type { LinearDims } from './linear.ts';
import { GROUP_STRUCT, INPUT, LANES as LANES_PART, OUTPUT, STEP, WEIGHT } from './parts.ts';

export interface MatvecDims extends LinearDims {
  readonly rms_norm_eps: number;
  readonly tuning?: MatvecTuning;
}

export interface MatvecTuning {
  readonly WORKGROUP_SIZE: number;
  /** Threads that share a row. */
  readonly LANES: number;
}

/** Rows of a thread, as in the shader. */
const ROWS = 4;

export const MATVEC_TUNING: MatvecTuning = { WORKGROUP_SIZE: 64, LANES: 8 };
/** With the part lanes=alone: software adapters pay dearly for every thread that meets a barrier. */
export const MATVEC_SOFTWARE_TUNING: MatvecTuning = { WORKGROUP_SIZE: 16, LANES: 1 };

/** out = W x + bias for the last token of the step, with RMSNorm before and residual or SwiGLU behind. */
export const matvec = defineKernel({
  name: 'matvec',
  source,
  includes: [STEP, GROUP_STRUCT],
  parts: { weight: WEIGHT, input: INPUT, output: OUTPUT, lanes: LANES_PART },
  constants: (dims: MatvecDims) => {
    const { WORKGROUP_SIZE, LANES } = dims.tuning ?? MATVEC_TUNING;
    return {
      ...linearConstants(dims),
      rms_norm_eps: f32(dims.rms_norm_eps),
      WORKGROUP_SIZE: u32(WORKGROUP_SIZE),
      LANES: u32(LANES),
    };
  },
  bindings: (dims, parts) => {
    const bytes = linearBytes(dims, parts);
    return {
      weight: readonly(bytes.weight),
      scales: readonly(bytes.scales),
      x: readonly(bytes.x),
      norm_weight: readonly(parts.input === 'rms_norm' ? bytes.x : 16),
      bias: readonly(bytes.bias),
      out: writable(bytes.out),
      step: uniform(STEP_BYTES),
    };
  },
  grid: (dims) => {
    const { WORKGROUP_SIZE, LANES } = dims.tuning ?? MATVEC_TUNING;
    return [Math.ceil(dims.out_dim / ((WORKGROUP_SIZE / LANES) * ROWS)), 1, 1];
  },
  refuse: (dims) => refuseLinear(dims),
});

import { WEIGHT_FORMATS } from '../../core/packed.ts';
import { matvec as matvecKernel, matvecParts } from '../../kernels/matvec.ts';
import type { MatvecTuning } from '../../kernels/matvec.ts';
import { applyOutput } from '../../reference/matmul.ts';
import { stride } from '../../kernels/parts.ts';
import { bestOfSlices } from '../../reference/argmax_final.ts';
import type { Output } from '../../reference/matmul.ts';
import { matvec } from '../../reference/matvec.ts';
import { kernelCase } from '../kernel_case.ts';
import type { KernelCase } from '../kernel_case.ts';
import { bestLayout, Material, padRows, tiedLogits, weightBuffers } from '../material.ts';

/** [in_dim, out_dim]: one group, a tail of a group, a row of the 260K model, one more than a workgroup serves, large. */
const SHAPES = [
  [32, 2],
  [4, 1],
  [172, 64],
  [64, 33],
  [576, 130],
] as const;
const LARGE_SHAPES = [
  [576, 45],
  [2048, 70],
  [3104, 9],
] as const;
export const ALONE = tuningOf(16, 1, 4);
export const TUNINGS: readonly MatvecTuning[] = [
  ALONE,
  tuningOf(64, 8, 4),
  tuningOf(16, 4, 2, 4, true),
  tuningOf(64, 32, 2),
  tuningOf(16, 8, 4, 4),
  tuningOf(128, 64, 4),
  tuningOf(32, 2, 2),
];
/** Of real GPUs. */
const LARGE: readonly MatvecTuning[] = [
  tuningOf(256, 32, 2, 32, true),
  tuningOf(256, 8, 4, 32, true),
  tuningOf(128, 128, 4, 32),
];
export const OUTPUTS: readonly Output[] = ['store', 'residual', 'swiglu'];

function tuningOf(
  WORKGROUP_SIZE: number,
  LANES: number,
  ROWS: 2 | 4,
  SUBGROUP = 0,
  staged = false,
): MatvecTuning {
  return { WORKGROUP_SIZE, LANES, ROWS, SUBGROUP, staged };
}

export function matvecCases(): KernelCase[] {
  const cases: KernelCase[] = [];
  for (const format of WEIGHT_FORMATS) {
    for (const [index, [in_dim, rows]] of [...SHAPES, ...LARGE_SHAPES].entries()) {
      const output = OUTPUTS[index % OUTPUTS.length] ?? 'store';
      const normed = index % 2 === 1;
      const tuning =
        LARGE[index - SHAPES.length] ??
        TUNINGS[(index + WEIGHT_FORMATS.indexOf(format)) % TUNINGS.length] ??
        ALONE;
      const has_bias = index % 3 !== 0;
      // SwiGLU takes pairs of rows.
      const out_dim = output === 'swiglu' ? rows + (rows % 2) : rows;
      const m = new Material(1000 + index);
      const { packed, values } = m.weights(out_dim, in_dim, format);
      const tokens = index === 4 ? 3 : 1;
      const x = m.floats(tokens * in_dim);
      const bias = m.floats(out_dim);
      const norm_weight = m.floats(in_dim);
      const into = m.floats(out_dim);
      const y = matvec(
        values,
        x.subarray((tokens - 1) * in_dim),
        has_bias ? bias : null,
        normed ? { weight: norm_weight, rms_norm_eps: 1e-5 } : null,
      );
      cases.push(
        kernelCase(matvecKernel, {
          name: `${out_dim}x${in_dim}${has_bias ? ' bias' : ''}, last of ${tokens}`,
          dims: {
            in_dim,
            out_dim,
            x_stride: stride(in_dim),
            out_stride: stride(out_dim),
            row_offset: 0,
            has_bias,
            max_tokens: tokens,
            rms_norm_eps: 1e-5,
            tuning,
            best_offset: 0,
          },
          subgroupSize: tuning.SUBGROUP,
          parts: {
            weight: format,
            input: normed ? 'rms_norm' : 'plain',
            output,
            ...matvecParts({ has_bias, tuning }, tokens === 1 && index % 2 === 0 ? 'only' : 'last'),
          },
          step: { num_tokens: tokens },
          buffers: {
            ...weightBuffers(packed),
            x: padRows(x, in_dim),
            norm_weight: padRows(norm_weight, in_dim),
            bias,
            out: into,
            best: new Uint32Array(4),
          },
          expected: { out: { as: 'f32', values: applyOutput(output, y, into), tolerance: 'f32' } },
        }),
      );
    }
  }
  cases.push(pieceOfMatrix(), ...bestCases());
  return cases;
}

/** A matrix in two pieces: the second writes behind the first and leaves it alone. */
function pieceOfMatrix(): KernelCase {
  const m = new Material(77);
  const { packed, values } = m.weights(10, 64, 'q8_0');
  const x = m.floats(64);
  const bias = m.floats(30);
  const before = m.floats(30);
  const y = matvec(values, x, bias.subarray(20), null);
  const tuning = tuningOf(64, 8, 4);
  const after = before.slice();
  after.set(y, 20);
  return kernelCase(matvecKernel, {
    name: 'rows 20..30 of 30',
    dims: {
      in_dim: 64,
      out_dim: 10,
      x_stride: 64,
      out_stride: 32,
      row_offset: 20,
      has_bias: true,
      max_tokens: 1,
      rms_norm_eps: 0,
      tuning,
      best_offset: 0,
    },
    parts: {
      weight: 'q8_0',
      input: 'plain',
      output: 'store',
      ...matvecParts({ has_bias: true, tuning }, 'only'),
    },
    buffers: {
      ...weightBuffers(packed),
      x,
      norm_weight: new Float32Array(4),
      bias,
      out: before,
      best: new Uint32Array(4),
    },
    expected: { out: { as: 'f32', values: after, tolerance: 'f32' } },
  });
}

/** Logits and the best of each workgroup's rows: rows with ties, a workgroup whose rows are no numbers, a second piece. */
function bestCases(): KernelCase[] {
  const shapes = [
    { rows: 1, tuning: tuningOf(64, 8, 4), before: 0, best_offset: 0 },
    { rows: 131, tuning: ALONE, before: 0, best_offset: 0 },
    { rows: 99, tuning: tuningOf(32, 4, 2, 4, true), before: 50, best_offset: 3 },
  ] as const;
  return shapes.map(({ rows, tuning, before, best_offset }, index) => {
    const m = new Material(1900 + index);
    const chunk = (tuning.WORKGROUP_SIZE / tuning.LANES) * tuning.ROWS;
    const logits = tiedLogits(m, rows);
    if (rows > 2 * chunk) logits.fill(NaN, chunk, 2 * chunk);
    // x takes the first column.
    const values = new Float32Array(rows * 32);
    logits.forEach((value, row) => (values[row * 32] = value));
    const x = new Float32Array(32);
    x[0] = 1;
    const out = new Float32Array(before + rows);
    const want = out.slice();
    want.set(logits, before);
    const slices = bestOfSlices(logits, chunk).map(({ value, index: row }) => ({
      value,
      index: row === 0xffffffff ? row : row + before,
    }));
    const best = new Uint32Array(2 * (best_offset + slices.length));
    const wantBest = best.slice();
    wantBest.set(bestLayout(slices), 2 * best_offset);
    return kernelCase(matvecKernel, {
      name: `best of ${rows} rows`,
      dims: {
        in_dim: 32,
        out_dim: rows,
        x_stride: 32,
        out_stride: 32,
        row_offset: before,
        has_bias: false,
        max_tokens: 1,
        rms_norm_eps: 0,
        tuning,
        best_offset,
      },
      subgroupSize: tuning.SUBGROUP,
      parts: {
        weight: 'f32',
        input: 'plain',
        output: 'best',
        ...matvecParts({ has_bias: false, tuning }, 'last'),
      },
      buffers: {
        weight: values,
        scales: new Uint16Array(2),
        x,
        norm_weight: new Float32Array(4),
        bias: new Float32Array(4),
        out,
        best,
      },
      expected: {
        best: { as: 'u32', values: wantBest, tolerance: 'exact' },
        out: { as: 'f32', values: want, tolerance: 'exact' },
      },
    });
  });
}

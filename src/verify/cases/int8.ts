import { matmul_int8 as int8Kernel } from '../../kernels/matmul_int8.ts';
import { quantise_rows as quantiseKernel } from '../../kernels/quantise_rows.ts';
import { stride } from '../../kernels/parts.ts';
import { applyOutput } from '../../reference/matmul.ts';
import { matmul_int8 } from '../../reference/matmul_int8.ts';
import { dequantiseRows, quantise_rows } from '../../reference/quantise_rows.ts';
import type { QuantisedRows } from '../../reference/quantise_rows.ts';
import { rms_norm } from '../../reference/rms_norm.ts';
import { kernelCase } from '../kernel_case.ts';
import type { KernelCase } from '../kernel_case.ts';
import { Material, padRows, weightBuffers } from '../material.ts';

/** One less and one more than a tile, an odd number of rows, both depths, every format and output. Few: they take long to compile. */
export function matmulInt8Cases(): KernelCase[] {
  const cases = [
    [1, 'q4_0', 'store', 172, 63, 33, false],
    [1, 'q4_1', 'residual', 96, 130, 65, true],
    [2, 'q8_0', 'swiglu', 128, 66, 63, true],
    [2, 'q4_0', 'residual', 36, 64, 70, false],
    [2, 'q4_1', 'swiglu', 192, 62, 129, false],
    [1, 'q8_0', 'store', 64, 129, 7, true],
  ] as const;
  return cases.map(([DEPTH, packed, output, in_dim, out_dim, tokens, has_bias], index) => {
    const m = new Material(2300 + index);
    const { packed: weight, values } = m.weights(out_dim, in_dim, packed);
    const x = quantise_rows(padRows(m.floats(tokens * in_dim), in_dim));
    const bias = m.floats(out_dim);
    const written = output === 'swiglu' ? out_dim / 2 : out_dim;
    const into = m.floats(tokens * written);
    const y = matmul_int8(padRows(values, in_dim), x, stride(in_dim), has_bias ? bias : null);
    return kernelCase(int8Kernel, {
      name: `${tokens} tokens, ${out_dim}x${in_dim}${has_bias ? ' bias' : ''}, ${DEPTH} groups a turn,`,
      dims: {
        in_dim,
        out_dim,
        x_stride: stride(in_dim),
        out_stride: stride(written),
        row_offset: 0,
        has_bias,
        max_tokens: tokens,
        DEPTH,
      },
      parts: { packed, output },
      step: { num_tokens: tokens },
      buffers: {
        ...weightBuffers(weight),
        x: x.quants,
        x_scales: stepsAndSums(x),
        bias,
        out: padRows(into, written),
      },
      expected: {
        out: { as: 'f32', values: padRows(applyOutput(output, y, into), written), tolerance: 'f32' },
      },
    });
  });
}

/** Values that lie on the grid of their group, so that no rounding hangs on the last bit. */
export function quantiseCases(): KernelCase[] {
  const cases = [
    [1, 1, false],
    [172, 3, true],
    [1030, 2, true],
    [2080, 5, false],
  ] as const;
  return cases.map(([in_dim, tokens, normed], index) => {
    const m = new Material(4100 + index);
    const width = stride(in_dim);
    const x = padRows(
      Float32Array.from(m.integers(tokens * in_dim, 255), (q, i) => (i % 7 === 0 ? 127 : q - 127) / 64),
      in_dim,
    );
    // A group without any value, and one weight for all of a group.
    if (in_dim > 64) x.fill(0, 32, 64);
    const weight = Float32Array.from({ length: in_dim }, (_, i) => 2 ** (((i >> 5) % 3) - 1));
    const rows = normed ? padRows(rms_norm(unpadded(x, in_dim), weight, 1e-5), in_dim) : x;
    const want = quantise_rows(rows);
    return kernelCase(quantiseKernel, {
      name: `${tokens} rows of ${in_dim}${normed ? ', normed' : ''}`,
      dims: { in_dim, max_tokens: tokens, rms_norm_eps: normed ? 1e-5 : null },
      parts: {},
      step: { num_tokens: tokens },
      buffers: {
        x,
        norm_weight: normed ? padRows(weight, in_dim) : new Float32Array(4),
        quants: new Int8Array(tokens * width),
        steps: new Float32Array((tokens * width) / 16),
      },
      expected: {
        quants: { as: (bytes) => new Int8Array(bytes), values: want.quants, tolerance: 'exact' },
        steps: { as: 'f32', values: stepsAndSums(want), tolerance: 'f32' },
      },
    });
  });
}

/** As the kernels take them: of each group its step, and the sum of its values. */
function stepsAndSums(rows: QuantisedRows): Float32Array<ArrayBuffer> {
  const values = dequantiseRows(rows);
  return Float32Array.from({ length: 2 * rows.steps.length }, (_, i) => {
    const g = i >> 1;
    if (i % 2 === 0) return rows.steps[g] ?? 0;
    return values.subarray(g * 32, (g + 1) * 32).reduce((sum, value) => sum + value, 0);
  });
}

function unpadded(rows: Float32Array, dim: number): Float32Array {
  const width = stride(dim);
  return Float32Array.from({ length: (rows.length / width) * dim }, (_, i) => {
    return rows[Math.floor(i / dim) * width + (i % dim)] ?? 0;
  });
}

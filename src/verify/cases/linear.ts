import { WEIGHT_FORMATS } from '../../core/packed.ts';
import type { WeightFormat } from '../../core/packed.ts';
import type { LinearDims } from '../../kernels/linear.ts';
import { matmul as matmulKernel } from '../../kernels/matmul.ts';
import { matmul_tiled as tiledKernel } from '../../kernels/matmul_tiled.ts';
import { matvec as matvecKernel } from '../../kernels/matvec.ts';
import type { MatvecTuning } from '../../kernels/matvec.ts';
import { stride } from '../../kernels/parts.ts';
import { applyOutput, matmul } from '../../reference/matmul.ts';
import type { Output } from '../../reference/matmul.ts';
import { matvec } from '../../reference/matvec.ts';
import { kernelCase } from '../kernel_case.ts';
import type { Expected, KernelCase } from '../kernel_case.ts';
import { Material, padRows, weightBuffers } from '../material.ts';

/** [in_dim, out_dim]: one group, a tail of a group, a row of the 260K model, one more than a workgroup serves, large. */
const SHAPES = [
  [32, 2],
  [4, 1],
  [172, 64],
  [64, 33],
  [576, 130],
] as const;
const ALONE: MatvecTuning = { WORKGROUP_SIZE: 16, LANES: 1, ROWS: 4 };
const TUNINGS: readonly MatvecTuning[] = [
  ALONE,
  { WORKGROUP_SIZE: 64, LANES: 8, ROWS: 4 },
  { WORKGROUP_SIZE: 64, LANES: 32, ROWS: 2 },
  { WORKGROUP_SIZE: 128, LANES: 64, ROWS: 4 },
  { WORKGROUP_SIZE: 32, LANES: 2, ROWS: 2 },
];
const OUTPUTS: readonly Output[] = ['store', 'residual', 'swiglu'];

export function matvecCases(): KernelCase[] {
  const cases: KernelCase[] = [];
  for (const format of WEIGHT_FORMATS) {
    for (const [index, [in_dim, rows]] of SHAPES.entries()) {
      const output = OUTPUTS[index % OUTPUTS.length] ?? 'store';
      const normed = index % 2 === 1;
      const tuning = TUNINGS[(index + WEIGHT_FORMATS.indexOf(format)) % TUNINGS.length] ?? ALONE;
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
          },
          parts: {
            weight: format,
            input: normed ? 'rms_norm' : 'plain',
            output,
            lanes: tuning.LANES === 1 ? 'alone' : 'shared',
            rows: tuning.ROWS === 2 ? '2' : '4',
          },
          step: { num_tokens: tokens },
          buffers: {
            ...weightBuffers(packed),
            x: padRows(x, in_dim),
            norm_weight: padRows(norm_weight, in_dim),
            bias,
            out: into,
          },
          expected: { out: { as: 'f32', values: applyOutput(output, y, into), tolerance: 'f32' } },
        }),
      );
    }
  }
  cases.push(pieceOfMatrix());
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
      tuning: { WORKGROUP_SIZE: 64, LANES: 8, ROWS: 4 },
    },
    parts: { weight: 'q8_0', input: 'plain', output: 'store', lanes: 'shared', rows: '4' },
    buffers: { ...weightBuffers(packed), x, norm_weight: new Float32Array(4), bias, out: before },
    expected: { out: { as: 'f32', values: after, tolerance: 'f32' } },
  });
}

/** [in_dim, out_dim, tokens] */
const PREFILL_SHAPES = [
  [32, 2, 1],
  [172, 64, 33],
  [64, 33, 5],
  [96, 70, 31],
] as const;

export function matmulCases(): KernelCase[] {
  return products(PREFILL_SHAPES).map((product) => kernelCase(matmulKernel, product));
}

/**
 * One less and one more than a tile, several tiles, and both sizes of tiles. Few cases: SwiftShader takes seconds to compile a
 * kernel with so much workgroup memory.
 */
export function matmulTiledCases(): KernelCase[] {
  const cases = [
    ...products([[172, 64, 33]], ['f32', 'f16', 'q8_0']).map((product) => ({ product, QUADS: 1 as const })),
    ...products([[36, 258, 129]], ['q4_0']).map((product) => ({ product, QUADS: 2 as const })),
    ...products([[64, 130, 65]], ['q4_1']).map((product) => ({ product, QUADS: 1 as const })),
    ...products([[96, 63, 131]], ['bf16']).map((product) => ({ product, QUADS: 2 as const })),
  ];
  return cases.map(({ product: { name, dims, ...rest }, QUADS }) =>
    kernelCase(tiledKernel, { name: `${name}, tiles of ${64 * QUADS}`, dims: { ...dims, QUADS }, ...rest }),
  );
}

interface Product {
  readonly name: string;
  readonly dims: LinearDims;
  readonly parts: { readonly weight: WeightFormat; readonly output: Output };
  readonly step: { readonly num_tokens: number };
  readonly buffers: Readonly<
    Record<'weight' | 'scales' | 'x' | 'bias' | 'out', ArrayBufferView<ArrayBuffer>>
  >;
  readonly expected: { readonly out: Expected };
}

function products(
  shapes: readonly (readonly [in_dim: number, rows: number, tokens: number])[],
  formats = WEIGHT_FORMATS,
): Product[] {
  return formats.flatMap((format, f) =>
    shapes.map(([in_dim, rows, tokens], index): Product => {
      const output = OUTPUTS[(index + f) % OUTPUTS.length] ?? 'store';
      const has_bias = (index + f) % 2 === 1;
      const out_dim = output === 'swiglu' ? rows + (rows % 2) : rows;
      const m = new Material(2000 + index);
      const { packed, values } = m.weights(out_dim, in_dim, format);
      const x = m.floats(tokens * in_dim);
      const bias = m.floats(out_dim);
      const written = output === 'swiglu' ? out_dim / 2 : out_dim;
      const into = m.floats(tokens * written);
      const want = applyOutput(output, matmul(values, x, in_dim, has_bias ? bias : null), into);
      return {
        name: `${tokens} tokens, ${out_dim}x${in_dim}${has_bias ? ' bias' : ''}`,
        dims: {
          in_dim,
          out_dim,
          x_stride: stride(in_dim),
          out_stride: stride(written),
          row_offset: 0,
          has_bias,
          max_tokens: tokens,
        },
        parts: { weight: format, output },
        step: { num_tokens: tokens },
        buffers: { ...weightBuffers(packed), x: padRows(x, in_dim), bias, out: padRows(into, written) },
        expected: { out: { as: 'f32', values: padRows(want, written), tolerance: 'f32' } },
      };
    }),
  );
}

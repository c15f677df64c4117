import { WEIGHT_FORMATS } from '../../core/packed.ts';
import type { WeightFormat } from '../../core/packed.ts';
import type { LinearDims } from '../../kernels/linear.ts';
import { matmul as matmulKernel } from '../../kernels/matmul.ts';
import { matmul_narrow as narrowKernel } from '../../kernels/matmul_narrow.ts';
import { matmul_tiled as tiledKernel } from '../../kernels/matmul_tiled.ts';
import { stride } from '../../kernels/parts.ts';
import { applyOutput, matmul } from '../../reference/matmul.ts';
import type { Output } from '../../reference/matmul.ts';
import { kernelCase } from '../kernel_case.ts';
import type { Expected, KernelCase } from '../kernel_case.ts';
import { Material, padRows, weightBuffers } from '../material.ts';
import { ALONE, OUTPUTS, TUNINGS } from './matvec.ts';

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
    ...products([[172, 64, 33]], ['f32', 'f16', 'q8_0']).map((product) => ({ product, SIDE: 8 as const })),
    ...products([[36, 258, 129]], ['q4_0']).map((product) => ({ product, SIDE: 16 as const })),
    ...products([[64, 130, 65]], ['q4_1']).map((product) => ({ product, SIDE: 8 as const })),
    ...products([[96, 63, 131]], ['bf16']).map((product) => ({ product, SIDE: 16 as const })),
  ];
  return cases.map(({ product: { name, dims, ...rest }, SIDE }) =>
    kernelCase(tiledKernel, { name: `${name}, tiles of ${8 * SIDE}`, dims: { ...dims, SIDE }, ...rest }),
  );
}

/** One token, a column alone behind four, and eight of them; rows alone behind two and four. A shape for each format. */
export function matmulNarrowCases(): KernelCase[] {
  const shapes = [
    [32, 2, 1],
    [172, 64, 5],
    [96, 33, 8],
  ] as const;
  const one = products(shapes).filter((_, i) => i % 3 === Math.floor(i / 3) % 3);
  return one.map(({ name, dims, parts, ...rest }, index) => {
    const tuning = TUNINGS[1 + (index % 4)] ?? ALONE;
    return kernelCase(narrowKernel, {
      name,
      dims: { ...dims, tuning },
      parts: { ...parts, rows: tuning.ROWS === 2 ? '2' : '4' },
      ...rest,
    });
  });
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

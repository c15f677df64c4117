import { batched_matmul as productKernel, packProduct } from '../../kernels/batched_matmul.ts';
import type { Operand, ProductDims, Triangle } from '../../kernels/batched_matmul.ts';
import { batched_matmul } from '../../reference/batched_matmul.ts';
import { kernelCase } from '../kernel_case.ts';
import type { KernelCase } from '../kernel_case.ts';
import { Material } from '../material.ts';

interface Shape {
  readonly size: readonly [rows: number, depth: number, columns: number];
  readonly batches?: number;
  readonly repeats?: number;
  /** Batches that share a matrix, of A and of B. */
  readonly shares?: readonly [number, number];
  /** Which of A and B lie transposed. */
  readonly across?: readonly [boolean, boolean];
  readonly beta?: number;
  readonly triangle?: Triangle;
}

const SHAPES: readonly Shape[] = [
  { size: [1, 1, 1] },
  { size: [63, 17, 65], across: [false, true], beta: 1 },
  { size: [65, 16, 64], across: [true, false], beta: 0.5 },
  { size: [5, 33, 7], batches: 6, shares: [1, 3], across: [true, true] },
  { size: [4, 9, 12], batches: 2, repeats: 3, shares: [2, 1], beta: 1 },
  { size: [70, 5, 130], batches: 2, triangle: 'lower_output', across: [false, true] },
  { size: [130, 130, 6], triangle: 'lower_left' },
  { size: [130, 130, 6], triangle: 'upper_left', across: [true, false], repeats: 2 },
];

export function productCases(): KernelCase[] {
  return SHAPES.flatMap((shape, index) =>
    (['shared', 'alone'] as const).map((tile) => productCase(shape, tile, new Material(9920 + index))),
  );
}

/** Offsets and gaps everywhere, so that no stride can be mistaken for another. */
function operand(rows: number, columns: number, across: boolean, share: number, repeats: number): Operand {
  const [long, short] = across ? [columns, rows] : [rows, columns];
  const pitch = short + 1;
  const repeat = long * pitch + 2;
  const strides = across ? { row: 1, column: pitch } : { row: pitch, column: 1 };
  return { offset: 3, ...strides, batch: repeats * repeat + 1, share, repeat };
}

function productCase(shape: Shape, tile: 'shared' | 'alone', m: Material): KernelCase {
  const { size, batches = 1, repeats = 1, beta = 0, triangle = 'none' } = shape;
  const [rows, depth, columns] = size;
  const [aShare, bShare] = shape.shares ?? [1, 1];
  const [aAcross, bAcross] = shape.across ?? [false, false];
  const dims: ProductDims = {
    rows,
    columns,
    depth,
    batches,
    repeats,
    a: operand(rows, depth, aAcross, aShare, repeats),
    b: operand(depth, columns, bAcross, bShare, repeats),
    c: { offset: 2, row: columns + 3, batch: rows * (columns + 3) + 1 },
    alpha: 1 / Math.sqrt(depth),
    beta,
    triangle,
  };
  const { a: aBinding, b: bBinding, c: cBinding } = productKernel.bindings(dims, { tile });
  const a = m.floats((aBinding?.bytes ?? 0) / 4);
  const b = m.floats((bBinding?.bytes ?? 0) / 4);
  zeroTriangle(a, dims);
  const before = m.floats((cBinding?.bytes ?? 0) / 4);
  const want = batched_matmul(dims, a, b, before.slice());
  if (triangle === 'lower_output') {
    // Whole tiles above the diagonal keep what they had.
    for (let batch = 0; batch < batches; batch++) {
      for (let i = 0; i < rows; i++) {
        for (let j = 0; j < columns; j++) {
          if (Math.floor(j / 64) <= Math.floor(i / 64)) continue;
          const at = dims.c.offset + batch * dims.c.batch + i * dims.c.row + j;
          want[at] = before[at] ?? NaN;
        }
      }
    }
  }
  return kernelCase(productKernel, {
    name: `${rows} x ${depth} x ${columns}, ${batches} batches, ${repeats} repeats, ${triangle}`,
    dims,
    parts: { tile },
    buffers: { a, b, c: before, product: packProduct(dims) },
    expected: { c: { as: 'f32', values: want, tolerance: 'f32' } },
  });
}

/** Makes A what its triangle promises. */
function zeroTriangle(a: Float32Array, { triangle, rows, depth, repeats, a: at }: ProductDims): void {
  if (triangle !== 'lower_left' && triangle !== 'upper_left') return;
  for (let r = 0; r < repeats; r++) {
    for (let i = 0; i < rows; i++) {
      for (let k = 0; k < depth; k++) {
        if (triangle === 'lower_left' ? k > i : k < i)
          a[at.offset + r * at.repeat + i * at.row + k * at.column] = 0;
      }
    }
  }
}

import { add_slices as slicesKernel } from '../../kernels/add_slices.ts';
import { moments as momentsKernel, momentsBytes, momentShape } from '../../kernels/moments.ts';
import type { MomentsDims, MomentSide } from '../../kernels/moments.ts';
import { add_slices } from '../../reference/add_slices.ts';
import { moments } from '../../reference/moments.ts';
import { kernelCase } from '../kernel_case.ts';
import type { KernelCase } from '../kernel_case.ts';
import { Material } from '../material.ts';

interface Shape {
  readonly name: string;
  readonly x: readonly [dim: number, ones: boolean];
  readonly y: readonly [dim: number, ones: boolean];
  readonly tokens: number;
  readonly batches: number;
  readonly splits: number;
  readonly weighted: boolean;
  readonly symmetric: boolean;
}

const PLAIN = { tokens: 40, batches: 1, splits: 1, weighted: false, symmetric: false } as const;

const SHAPES: readonly Shape[] = [
  { ...PLAIN, name: 'one by one, one token', x: [1, false], y: [1, false], tokens: 1 },
  { ...PLAIN, name: '63 x 65, weights', x: [63, false], y: [65, false], weighted: true },
  { ...PLAIN, name: '64 + 1 symmetric, 3 splits', x: [64, true], y: [64, true], splits: 3, symmetric: true },
  { ...PLAIN, name: '9 heads of 16 + 1, weights', x: [16, true], y: [16, true], batches: 9, weighted: true },
  { ...PLAIN, name: 'only the 1: sums of y', x: [0, true], y: [7, false], splits: 4, tokens: 5 },
  {
    ...PLAIN,
    name: '130 x 70 + 1, more splits than turns',
    x: [130, false],
    y: [70, true],
    splits: 8,
    tokens: 17,
  },
];

/** [count, slices] */
const SLICED = [
  [1, 1],
  [255, 3],
  [257, 16],
] as const;

export function sliceCases(): KernelCase[] {
  return SLICED.map(([count, slices], index) => {
    const m = new Material(9920 + index);
    const values = m.floats(slices * count);
    return kernelCase(slicesKernel, {
      name: `${slices} of ${count}`,
      dims: { count, slices },
      parts: {},
      buffers: { slices: values, sums: m.floats(count) },
      expected: {
        sums: { as: 'f32', values: add_slices(values, count), tolerance: 'f32' },
        slices: { as: 'f32', values: new Float32Array(slices * count), tolerance: 'exact' },
      },
    });
  });
}

export function momentsCases(): KernelCase[] {
  return SHAPES.map((shape, index) => momentsCase(shape, new Material(9900 + index)));
}

function momentsCase(
  { name, x, y, tokens, batches, splits, weighted, symmetric }: Shape,
  m: Material,
): KernelCase {
  const side = ([dim, ones]: Shape['x'], offset: number): MomentSide => ({
    dim,
    ones,
    offset,
    batch: dim + 1,
    stride: offset + batches * (dim + 1) + 3,
  });
  const dims: MomentsDims = {
    x: side(x, 2),
    y: symmetric ? side(x, 2) : side(y, 5),
    weights: weighted ? { stride: batches + 1, batch: 1 } : null,
    batches,
    symmetric,
    splits,
    max_tokens: tokens,
  };
  const xs = m.floats(tokens * dims.x.stride);
  const ys = symmetric ? xs : m.floats(tokens * dims.y.stride);
  const weights = m.floats(tokens * (batches + 1)).map((w) => w + 1);
  const { rows, cols } = momentShape(dims);
  const before = m.floats(momentsBytes(dims) / 4);
  const want = before.slice();
  const length = Math.ceil(tokens / splits);
  for (let s = 0; s < splits; s++) {
    for (let b = 0; b < batches; b++) {
      const [from, to] = [s * length, Math.min((s + 1) * length, tokens)];
      const w = weighted
        ? Float32Array.from(
            { length: Math.max(0, to - from) },
            (_, t) => weights[(from + t) * (batches + 1) + b] ?? NaN,
          )
        : null;
      const at = (s * batches + b) * rows * cols;
      const sums = moments(
        new Float64Array(rows * cols),
        vectors(xs, dims.x, b, from, to),
        vectors(ys, dims.y, b, from, to),
        rows,
        cols,
        w,
      );
      sums.forEach((value, i) => {
        const skipped = symmetric && Math.floor(i / cols / 64) > Math.floor((i % cols) / 64);
        if (!skipped) want[at + i] = (want[at + i] ?? NaN) + value;
      });
    }
  }
  return kernelCase(momentsKernel, {
    name,
    dims,
    parts: {},
    step: { num_tokens: tokens },
    buffers: { x: xs, y: ys, weights, sums: before },
    expected: { sums: { as: 'f32', values: want, tolerance: 'f32' } },
  });
}

/** Batch b of tokens from .. to, [tokens, dim + ones] */
function vectors(
  values: Float32Array,
  { dim, stride, offset, batch, ones }: MomentSide,
  b: number,
  from: number,
  to: number,
): number[] {
  const out: number[] = [];
  for (let t = from; t < to; t++) {
    for (let i = 0; i < dim; i++) out.push(values[t * stride + offset + b * batch + i] ?? NaN);
    if (ones) out.push(1);
  }
  return out;
}

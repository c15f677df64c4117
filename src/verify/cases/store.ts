import type { CacheFormat } from '../../core/cache_rows.ts';
import { CACHE_FORMATS, CACHE_GROUP } from '../../core/cache_rows.ts';
import { cosSinTable } from '../../core/rope.ts';
import { store_rows as storeKernel } from '../../kernels/store_rows.ts';
import type { StoreRowsDims } from '../../kernels/store_rows.ts';
import { packCache, packRow, unpackCache } from '../../reference/cache_rows.ts';
import { store_rows } from '../../reference/store_rows.ts';
import { kernelCase } from '../kernel_case.ts';
import type { KernelCase, TOLERANCES } from '../kernel_case.ts';
import { Material } from '../material.ts';

interface Shape {
  readonly groups: number;
  readonly row_dim: number;
  readonly split_dim: number;
  readonly rope_offset: number;
  readonly rope_dim: number;
  readonly frequencies: number;
  readonly tokens: number;
  readonly position: number;
}

// prettier-ignore
const SHAPES: readonly Shape[] = [
  { groups: 1, row_dim: 4, split_dim: 4, rope_offset: 0, rope_dim: 0, frequencies: 1, tokens: 1, position: 0 },
  { groups: 3, row_dim: 32, split_dim: 16, rope_offset: 0, rope_dim: 16, frequencies: 8, tokens: 5, position: 2 },
  { groups: 1, row_dim: 300, split_dim: 36, rope_offset: 36, rope_dim: 264, frequencies: 4, tokens: 2, position: 9 },
  // The first token is exact where the others are quantised; groups end short, words end half full.
  { groups: 2, row_dim: 80, split_dim: 44, rope_offset: 56, rope_dim: 24, frequencies: 8, tokens: 3, position: 0 },
];

/** Nothing is rotated: values that lie on a grid of steps are kept to the last bit. */
const GRID_SHAPES: readonly Shape[] = SHAPES.map((one) => ({ ...one, rope_dim: 0 }));

const KEPT = { f32: 'f32', f16: 'f16', int8: 'int8', int4: 'int4' } as const satisfies Record<
  CacheFormat,
  keyof typeof TOLERANCES
>;

export function storeCases(): KernelCase[] {
  return CACHE_FORMATS.flatMap((format) => [
    ...SHAPES.map((one, index) => storeCase(one, format, index, false)),
    ...(format === 'int8' || format === 'int4'
      ? GRID_SHAPES.map((one, index) => storeCase(one, format, index, true))
      : []),
  ]);
}

function storeCase(one: Shape, format: CacheFormat, index: number, onGrid: boolean): KernelCase {
  const { groups, row_dim, split_dim, rope_offset, rope_dim, frequencies, tokens, position } = one;
  const m = new Material(6000 + index);
  const max_len = 12;
  const shape = { groups, row_dim, split_dim, max_len };
  const table = cosSinTable(m.floats(frequencies), max_len, 1);
  const pairs = m.integers(rope_dim / 2, frequencies);
  const rows = m.floats(tokens * groups * row_dim, 2);
  if (onGrid) putOnGrid(rows, one, format === 'int8' ? 255 : 15, m);
  const first_offset = 8;
  const second_offset = first_offset + groups * split_dim + 4;
  const kv_stride = second_offset + groups * (row_dim - split_dim) + 4;
  const kv = new Float32Array(tokens * kv_stride);
  for (let t = 0; t < tokens; t++) {
    for (let g = 0; g < groups; g++) {
      const row = rows.subarray((t * groups + g) * row_dim, (t * groups + g + 1) * row_dim);
      kv.set(row.subarray(0, split_dim), t * kv_stride + first_offset + g * split_dim);
      kv.set(row.subarray(split_dim), t * kv_stride + second_offset + g * (row_dim - split_dim));
    }
  }
  const before = packCache(m.floats(groups * max_len * row_dim), shape, format);
  const rope = { offset: rope_offset, dim: rope_dim, pairs, table, frequencies };
  const want = store_rows(unpackCache(before, shape, format), rows, position, shape, rope);
  const dims: StoreRowsDims = {
    ...shape,
    rope_offset,
    rope_dim,
    rope_frequencies: frequencies,
    kv_stride,
    first_offset,
    second_offset,
    max_tokens: tokens,
  };
  return kernelCase(storeKernel, {
    name: `${tokens} rows of ${groups}x${row_dim} at ${position}${onGrid ? ', bit for bit' : ''}`,
    dims,
    parts: { cache: format },
    step: { position, num_tokens: tokens },
    buffers: {
      kv,
      rope_table: table,
      rope_pairs: pairs.length > 0 ? pairs : new Uint32Array(1),
      cache: before,
    },
    expected: {
      cache: onGrid
        ? { as: 'u32', values: packedRows(before, want, one, shape, format), tolerance: 'exact' }
        : {
            as: (bytes) => unpackCache(new Uint8Array(bytes), shape, format),
            values: want,
            tolerance: KEPT[format],
          },
    },
  });
}

/** Every group of 32 becomes minimum + step * quant with numbers that f16 holds; both ends of the range occur. */
export function putOnGrid(
  rows: Float32Array,
  { row_dim, split_dim }: Pick<Shape, 'row_dim' | 'split_dim'>,
  levels: number,
  m: Material,
): void {
  const step = levels === 255 ? 2 ** -6 : 2 ** -2;
  for (let row = 0; row < rows.length; row += row_dim) {
    for (const [from, end] of [
      [0, split_dim],
      [split_dim, row_dim],
    ] as const) {
      for (let first = from; first < end; first += CACHE_GROUP) {
        const count = Math.min(CACHE_GROUP, end - first);
        const quants = m.integers(count, levels + 1);
        quants[0] = 0;
        quants[count - 1] = levels;
        const minimum = (m.integers(1, 64)[0] ?? 0) / 16 - 4;
        quants.forEach((quant, i) => (rows[row + first + i] = minimum + step * quant));
      }
    }
  }
}

/** The cache's words after the step's rows were written. */
function packedRows(
  before: Uint8Array<ArrayBuffer>,
  values: Float32Array,
  { tokens, position }: Shape,
  shape: {
    readonly groups: number;
    readonly row_dim: number;
    readonly split_dim: number;
    readonly max_len: number;
  },
  format: CacheFormat,
): Uint32Array {
  const bytes = before.slice();
  for (let group = 0; group < shape.groups; group++) {
    for (let n = position; n < position + tokens; n++) {
      const from = (group * shape.max_len + n) * shape.row_dim;
      packRow(bytes, values.slice(from, from + shape.row_dim), group, n, shape, format);
    }
  }
  return new Uint32Array(bytes.buffer);
}

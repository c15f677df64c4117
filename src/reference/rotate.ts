import { at } from './at.ts';

/** A rotated region of a row: half-split, pair p being elements offset + p and offset + p + dim / 2. */
export interface Rope {
  readonly offset: number;
  readonly dim: number;
  /** Frequency index of each pair, [dim / 2]. */
  readonly pairs: ArrayLike<number>;
  /** [positions, frequencies, 2] (cos, sin) */
  readonly table: Float32Array;
  readonly frequencies: number;
}

/** Rotates the region of `row` in place: (a, b) -> (a cos - b sin, b cos + a sin). */
export function rotate(row: Float32Array, position: number, rope: Rope): Float32Array {
  const half = rope.dim / 2;
  for (let p = 0; p < half; p++) {
    const entry = (position * rope.frequencies + at(rope.pairs, p)) * 2;
    const cos = at(rope.table, entry);
    const sin = at(rope.table, entry + 1);
    const a = at(row, rope.offset + p);
    const b = at(row, rope.offset + p + half);
    row[rope.offset + p] = a * cos - b * sin;
    row[rope.offset + p + half] = b * cos + a * sin;
  }
  return row;
}

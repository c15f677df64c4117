import type { Linear } from '../core/layers.ts';
import { unpack } from '../core/packed.ts';
import { matmul } from './matmul.ts';
import { rotate } from './rotate.ts';

/** y = W x + b over all pieces: [tokens, cols] -> [tokens, rows of all pieces] */
export function linear({ pieces, bias }: Linear, x: Float32Array): Float32Array {
  const cols = pieces[0]?.cols ?? 0;
  const weight = new Float32Array(pieces.reduce((rows, piece) => rows + piece.rows, 0) * cols);
  let row = 0;
  for (const piece of pieces) {
    weight.set(unpack(piece), row * cols);
    row += piece.rows;
  }
  return matmul(weight, x, cols, bias);
}

/** A copy of x [tokens, dim] with the pairs from `offset` rotated, row t by position t. */
export function rotateRows(
  x: Float32Array,
  dim: number,
  pairs: ArrayLike<number>,
  offset: number,
  table: Float32Array,
  frequencies: number,
): Float32Array {
  const out = x.slice();
  for (let t = 0; t < x.length / dim; t++) {
    const rope = { offset, dim: pairs.length * 2, pairs, table, frequencies };
    rotate(out.subarray(t * dim, (t + 1) * dim), t, rope);
  }
  return out;
}

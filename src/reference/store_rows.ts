import { rotate } from './rotate.ts';
import type { Rope } from './rotate.ts';

/**
 * Writes rows [tokens, groups, row_dim] to cache [groups, max_len, row_dim] at position, position + 1, ..., rotated.
 * Changes and returns `cache`.
 */
export function store_rows(
  cache: Float32Array,
  rows: Float32Array,
  position: number,
  dims: { readonly groups: number; readonly row_dim: number; readonly max_len: number },
  rope: Rope,
): Float32Array {
  const { groups, row_dim, max_len } = dims;
  for (let t = 0; t < rows.length / (groups * row_dim); t++) {
    for (let g = 0; g < groups; g++) {
      const from = (t * groups + g) * row_dim;
      const row = rotate(rows.slice(from, from + row_dim), position + t, rope);
      cache.set(row, (g * max_len + position + t) * row_dim);
    }
  }
  return cache;
}

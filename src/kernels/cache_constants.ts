import { quantsPerWord, rowWords } from '../core/cache_rows.ts';
import type { CacheFormat, CacheShape } from '../core/cache_rows.ts';
import { u32 } from '../gpu/link.ts';
import type { Constant } from '../gpu/link.ts';

/** What the cache parts are told of the rows: shaders/parts/cache_X.wgsl and store_X.wgsl. */
export function cacheConstants(shape: CacheShape, format: CacheFormat): Record<string, Constant> {
  const common = {
    row_dim: u32(shape.row_dim),
    split_dim: u32(shape.split_dim),
    max_len: u32(shape.max_len),
  };
  const perWord = quantsPerWord(format);
  if (perWord === null) return common;
  const { second_word, scale_word, second_scale_word, row_words } = rowWords(shape, perWord);
  return {
    ...common,
    second_word: u32(second_word),
    scale_word: u32(scale_word),
    second_scale_word: u32(second_scale_word),
    row_words: u32(row_words),
    exact_word: u32(shape.groups * shape.max_len * row_words),
  };
}

/** Quads (4 values) that one thread of store_rows encodes: a group where a group shares a step. */
export function blockQuads(format: CacheFormat): number {
  return quantsPerWord(format) === null ? 1 : 8;
}

/**
 * Where the projections leave a token's row: its values below split_dim begin at first_offset + g * split_dim of the token's
 * kv_stride elements, the others at second_offset + g * their number.
 */
export interface NewRow {
  /** The region of the row that is rotated before it is stored; rope_dim 0: none. */
  readonly rope_offset: number;
  readonly rope_dim: number;
  readonly kv_stride: number;
  readonly first_offset: number;
  readonly second_offset: number;
}

/** What parts/new_row.wgsl is told. */
export function newRowConstants(row: NewRow, format: CacheFormat): Record<string, Constant> {
  return {
    BLOCK: u32(blockQuads(format)),
    kept_rope_offset: u32(row.rope_offset),
    kept_rope_dim: u32(row.rope_dim),
    kv_stride: u32(row.kv_stride),
    first_offset: u32(row.first_offset),
    second_offset: u32(row.second_offset),
  };
}

/** One behind the last element of a token's row that is read. */
export function newRowEnd(
  { groups, row_dim, split_dim }: Omit<CacheShape, 'max_len'>,
  { first_offset, second_offset }: NewRow,
): number {
  const first = first_offset + groups * split_dim;
  return split_dim < row_dim ? Math.max(first, second_offset + groups * (row_dim - split_dim)) : first;
}

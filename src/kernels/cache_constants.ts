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

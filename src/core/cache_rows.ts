/**
 * How a row of the cache lies on the device. A row has up to two regions ([k | v] or [c_kv | k_pe]); split_dim is where the
 * second begins (row_dim: there is one only).
 *
 *   f32, f16    row_dim values
 *   int8, int4  u32 words: quants of the first region, of the second, then one word a group: f16 step (low), f16 minimum.
 *               A group is 32 values of one region, the last may be short; value = step * quant + minimum.
 *               int4: byte i of a word has element i in its low half, element i + 4 in its high one.
 *               The row of position 0 is not quantised (it gets a fifth of all attention, and is unlike all others): its f32
 *               values stand behind all rows of all groups, [groups, row_dim].
 */
export type CacheFormat = 'f32' | 'f16' | 'int8' | 'int4';

export const CACHE_FORMATS = ['f32', 'f16', 'int8', 'int4'] as const satisfies readonly CacheFormat[];

/** Values that share a step and a minimum. */
export const CACHE_GROUP = 32;

export interface CacheShape {
  /** KV heads, or 1 for a latent. */
  readonly groups: number;
  /** Values of a row, of one group. */
  readonly row_dim: number;
  readonly split_dim: number;
  readonly max_len: number;
}

/** Places within a quantised row, in u32 words. */
export interface RowWords {
  /** Where the second region's quants begin. */
  readonly second_word: number;
  /** Where the groups' steps and minima begin, and where those of the second region do. */
  readonly scale_word: number;
  readonly second_scale_word: number;
  readonly row_words: number;
}

/** @param perWord quants in a word: 4 or 8 */
export function rowWords(
  { row_dim, split_dim }: Pick<CacheShape, 'row_dim' | 'split_dim'>,
  perWord: number,
): RowWords {
  const second_dim = row_dim - split_dim;
  const second_word = Math.ceil(split_dim / perWord);
  const scale_word = second_word + Math.ceil(second_dim / perWord);
  const second_scale_word = scale_word + Math.ceil(split_dim / CACHE_GROUP);
  return {
    second_word,
    scale_word,
    second_scale_word,
    row_words: second_scale_word + Math.ceil(second_dim / CACHE_GROUP),
  };
}

/** Quants in a word; null: not quantised. */
export function quantsPerWord(format: CacheFormat): 4 | 8 | null {
  return format === 'int8' ? 4 : format === 'int4' ? 8 : null;
}

/** Bytes of one token over all groups, steps and minima counted. */
export function cacheBytesPerToken(shape: Omit<CacheShape, 'max_len'>, format: CacheFormat): number {
  const perWord = quantsPerWord(format);
  if (perWord !== null) return shape.groups * rowWords(shape, perWord).row_words * 4;
  return shape.groups * shape.row_dim * (format === 'f32' ? 4 : 2);
}

/** Bytes of the whole cache of a layer: max_len tokens and, where it is quantised, the exact first one. */
export function cacheBytes(shape: CacheShape, format: CacheFormat): number {
  const exact = quantsPerWord(format) === null ? 0 : shape.groups * shape.row_dim * 4;
  return shape.max_len * cacheBytesPerToken(shape, format) + exact;
}

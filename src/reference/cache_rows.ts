import { CACHE_GROUP, cacheBytes, quantsPerWord, rowWords } from '../core/cache_rows.ts';
import type { CacheFormat, CacheShape } from '../core/cache_rows.ts';
import { f16ToNumber, numberToF16 } from '../core/half.ts';
import { at } from './at.ts';

/** The cache's bytes on the device, one value after the other. */

const roundToF16 = (value: number): number =>
  f16ToNumber(numberToF16(Math.max(-65504, Math.min(65504, value))));

/** An empty cache. */
export function emptyCache(shape: CacheShape, format: CacheFormat): Uint8Array<ArrayBuffer> {
  return new Uint8Array(cacheBytes(shape, format));
}

/** Writes one row of row_dim values as the format keeps it. */
export function packRow(
  bytes: Uint8Array<ArrayBuffer>,
  row: Float32Array,
  group: number,
  position: number,
  shape: CacheShape,
  format: CacheFormat,
): void {
  const view = new DataView(bytes.buffer, bytes.byteOffset);
  const index = group * shape.max_len + position;
  const perWord = quantsPerWord(format);
  if (perWord === null) {
    row.forEach((value, i) => {
      if (format === 'f32') view.setFloat32((index * shape.row_dim + i) * 4, value, true);
      else view.setUint16((index * shape.row_dim + i) * 2, numberToF16(roundToF16(value)), true);
    });
    return;
  }
  const words = rowWords(shape, perWord);
  if (position === 0) {
    const exact = (shape.groups * shape.max_len * words.row_words + group * shape.row_dim) * 4;
    row.forEach((value, i) => view.setFloat32(exact + i * 4, value, true));
    return;
  }
  const base = index * words.row_words;
  const levels = format === 'int8' ? 255 : 15;
  for (const region of regions(shape, words)) {
    for (let from = 0; from < region.dim; from += CACHE_GROUP) {
      const values = row.slice(region.from + from, region.from + Math.min(region.dim, from + CACHE_GROUP));
      const minimum = roundToF16(values.reduce((a, b) => Math.min(a, b)));
      const step = roundToF16((values.reduce((a, b) => Math.max(a, b)) - minimum) / levels);
      const scale = (base + region.scale_word + from / CACHE_GROUP) * 4;
      view.setUint16(scale, numberToF16(step), true);
      view.setUint16(scale + 2, numberToF16(minimum), true);
      for (const [i, value] of values.entries()) {
        const quant = step > 0 ? Math.max(0, Math.min(levels, Math.round((value - minimum) / step))) : 0;
        setQuant(view, (base + region.word) * 4, from + i, perWord, quant);
      }
    }
  }
}

/** All values that a cache holds, [groups, max_len, row_dim]. */
export function unpackCache(
  bytes: Uint8Array<ArrayBuffer>,
  shape: CacheShape,
  format: CacheFormat,
): Float32Array<ArrayBuffer> {
  const view = new DataView(bytes.buffer, bytes.byteOffset);
  const { groups, max_len, row_dim } = shape;
  const perWord = quantsPerWord(format);
  const words = perWord === null ? null : rowWords(shape, perWord);
  return Float32Array.from({ length: groups * max_len * row_dim }, (_, place) => {
    if (format === 'f32') return view.getFloat32(place * 4, true);
    if (perWord === null || words === null) return f16ToNumber(view.getUint16(place * 2, true));
    const i = place % row_dim;
    const index = Math.floor(place / row_dim);
    if (index % max_len === 0) {
      const exact = groups * max_len * words.row_words + Math.floor(index / max_len) * row_dim;
      return view.getFloat32((exact + i) * 4, true);
    }
    const base = index * words.row_words;
    const region = regions(shape, words).findLast(({ from, dim }) => dim > 0 && from <= i);
    if (!region) throw new RangeError(`no region has value ${i}`);
    const scale = (base + region.scale_word + Math.floor((i - region.from) / CACHE_GROUP)) * 4;
    const quant = getQuant(view, (base + region.word) * 4, i - region.from, perWord);
    return f16ToNumber(view.getUint16(scale, true)) * quant + f16ToNumber(view.getUint16(scale + 2, true));
  });
}

interface Region {
  readonly from: number;
  readonly dim: number;
  readonly word: number;
  readonly scale_word: number;
}

function regions(
  { row_dim, split_dim }: CacheShape,
  { second_word, scale_word, second_scale_word }: ReturnType<typeof rowWords>,
): Region[] {
  return [
    { from: 0, dim: split_dim, word: 0, scale_word },
    { from: split_dim, dim: row_dim - split_dim, word: second_word, scale_word: second_scale_word },
  ];
}

/** int4: byte i of a word has element i in its low half, element i + 4 in its high one. */
function quantPlace(base: number, i: number, perWord: 4 | 8): { byte: number; shift: number } {
  if (perWord === 4) return { byte: base + i, shift: 0 };
  return { byte: base + Math.floor(i / 8) * 4 + (i % 4), shift: i % 8 < 4 ? 0 : 4 };
}

function setQuant(view: DataView, base: number, i: number, perWord: 4 | 8, quant: number): void {
  const { byte, shift } = quantPlace(base, i, perWord);
  const mask = perWord === 4 ? 0xff : 0xf << shift;
  view.setUint8(byte, (view.getUint8(byte) & ~mask) | (quant << shift));
}

function getQuant(view: DataView, base: number, i: number, perWord: 4 | 8): number {
  const { byte, shift } = quantPlace(base, i, perWord);
  return (view.getUint8(byte) >> shift) & (perWord === 4 ? 0xff : 0xf);
}

/** Rows [groups, max_len, row_dim] as the format keeps them. */
export function packCache(
  values: Float32Array,
  shape: CacheShape,
  format: CacheFormat,
): Uint8Array<ArrayBuffer> {
  const bytes = emptyCache(shape, format);
  for (let index = 0; index < shape.groups * shape.max_len; index++) {
    const row = Float32Array.from({ length: shape.row_dim }, (_, i) => at(values, index * shape.row_dim + i));
    packRow(bytes, row, Math.floor(index / shape.max_len), index % shape.max_len, shape, format);
  }
  return bytes;
}

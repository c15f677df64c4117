import { BLOCK_SIZES } from '../core/dtype.ts';
import { f16ToNumber, numberToF16 } from '../core/half.ts';
import { emptyPacked, GROUP_BYTES } from '../core/packed.ts';
import type { PackedTensor } from '../core/packed.ts';
import { kNibble, subMinimum, subScale } from './ggml_blocks.ts';

/** Block types that become packed weights without a look at their values. */
export type PackableDtype = 'Q8_0' | 'Q4_0' | 'Q4_1' | 'Q4_K';

const PACKED_AS = { Q8_0: 'q8_0', Q4_0: 'q4_0', Q4_1: 'q4_1', Q4_K: 'q4_1' } as const;

export function isPackable(dtype: string): dtype is PackableDtype {
  return Object.hasOwn(PACKED_AS, dtype);
}

/**
 * Q8_0, Q4_0, Q4_1: the same bits, only that the scales move apart from the quants. Q4_K: q4_1 whose quants are the
 * same and whose scale d * sc and minimum -dmin * m are rounded to f16 (they have up to 17 significant bits).
 * @param bytes rows * cols elements of `dtype`; cols is a multiple of its block
 */
export function packBlocks(
  dtype: PackableDtype,
  bytes: Uint8Array,
  rows: number,
  cols: number,
): PackedTensor {
  const tensor = emptyPacked(PACKED_AS[dtype], rows, cols);
  if (dtype === 'Q4_K') packQ4K(bytes, tensor);
  else moveBlocks(dtype, bytes, tensor);
  return tensor;
}

function moveBlocks(dtype: PackableDtype, bytes: Uint8Array, { format, quants, scales }: PackedTensor): void {
  const size = BLOCK_SIZES[dtype].bytes;
  const quantBytes = GROUP_BYTES[format];
  const scaleBytes = size - quantBytes;
  const view = new DataView(bytes.buffer, bytes.byteOffset, bytes.byteLength);
  let scale = 0;
  for (let at = 0, to = 0; to < quants.length; at += size, to += quantBytes) {
    for (let s = 0; s < scaleBytes; s += 2) scales[scale++] = view.getUint16(at + s, true);
    for (let i = 0; i < quantBytes; i++) quants[to + i] = bytes[at + scaleBytes + i] ?? 0;
  }
}

function packQ4K(bytes: Uint8Array, { quants, scales }: PackedTensor): void {
  const view = new DataView(bytes.buffer, bytes.byteOffset, bytes.byteLength);
  const size = BLOCK_SIZES.Q4_K.bytes;
  for (let group = 0; group < quants.length / 16; group++) {
    const at = (group >> 3) * size;
    const sub = group & 7;
    const d = f16ToNumber(view.getUint16(at, true));
    const dmin = f16ToNumber(view.getUint16(at + 2, true));
    scales[2 * group] = numberToF16(d * subScale(bytes, at + 4, sub));
    scales[2 * group + 1] = numberToF16(-dmin * subMinimum(bytes, at + 4, sub));
    for (let i = 0; i < 16; i++) {
      quants[16 * group + i] = kNibble(bytes, at + 16, sub, i) | (kNibble(bytes, at + 16, sub, i + 16) << 4);
    }
  }
}

import { BLOCK_SIZES } from '../core/dtype.ts';
import type { ReadableDtype } from '../core/dtype.ts';
import { f16Values } from '../core/half.ts';

/**
 * Numbers of files -> f32: plain types and ggml's blocks. Layouts: ggml-common.h of llama.cpp; formulas:
 * dequantize_row_* of ggml-quants.c. Every value is one f64 expression that is rounded once, which gives the same f32 as
 * the C code: its intermediate products fit f32 exactly.
 */

type BlockDtype = Extract<ReadableDtype, `Q${string}`>;
type PlainDtype = Exclude<ReadableDtype, BlockDtype>;

/** Writes the elements of one block. `at` is a byte offset in `bytes`, `to` an element offset in `out`. */
type BlockDecoder = (bytes: Uint8Array, at: number, out: Float32Array, to: number) => void;

/**
 * @param bytes whole blocks of `dtype`
 * @param out as many elements as the blocks hold; a new array if left out
 */
export function decodeBlocks(dtype: ReadableDtype, bytes: Uint8Array, out?: Float32Array): Float32Array {
  const block = BLOCK_SIZES[dtype];
  const count = Math.floor(bytes.length / block.bytes);
  const values = out ?? new Float32Array(count * block.elements);
  if (isBlockDtype(dtype)) {
    const decode = DECODERS[dtype];
    for (let i = 0; i < count; i++) decode(bytes, i * block.bytes, values, i * block.elements);
  } else {
    decodePlain(dtype, bytes, values, count);
  }
  return values;
}

function isBlockDtype(dtype: ReadableDtype): dtype is BlockDtype {
  return Object.hasOwn(DECODERS, dtype);
}

function decodePlain(dtype: PlainDtype, bytes: Uint8Array, out: Float32Array, count: number): void {
  const view = new DataView(bytes.buffer, bytes.byteOffset, bytes.byteLength);
  const halves = f16Values();
  const bits = new Uint32Array(out.buffer, out.byteOffset, out.length);
  switch (dtype) {
    case 'F32':
      for (let i = 0; i < count; i++) bits[i] = view.getUint32(4 * i, true);
      return;
    case 'BF16':
      for (let i = 0; i < count; i++) bits[i] = view.getUint16(2 * i, true) << 16;
      return;
    case 'F16':
      for (let i = 0; i < count; i++) out[i] = halves[view.getUint16(2 * i, true)] ?? 0;
      return;
    case 'F64':
      for (let i = 0; i < count; i++) out[i] = view.getFloat64(8 * i, true);
      return;
    case 'I64':
      for (let i = 0; i < count; i++) out[i] = Number(view.getBigInt64(8 * i, true));
      return;
    case 'U64':
      for (let i = 0; i < count; i++) out[i] = Number(view.getBigUint64(8 * i, true));
      return;
    case 'I32':
      for (let i = 0; i < count; i++) out[i] = view.getInt32(4 * i, true);
      return;
    case 'U32':
      for (let i = 0; i < count; i++) out[i] = view.getUint32(4 * i, true);
      return;
    case 'I16':
      for (let i = 0; i < count; i++) out[i] = view.getInt16(2 * i, true);
      return;
    case 'U16':
      for (let i = 0; i < count; i++) out[i] = view.getUint16(2 * i, true);
      return;
    case 'I8':
      for (let i = 0; i < count; i++) out[i] = view.getInt8(i);
      return;
    case 'U8':
      for (let i = 0; i < count; i++) out[i] = view.getUint8(i);
      return;
    case 'BOOL':
      for (let i = 0; i < count; i++) out[i] = view.getUint8(i) === 0 ? 0 : 1;
  }
}

const DECODERS: Readonly<Record<BlockDtype, BlockDecoder>> = {
  Q8_0: (bytes, at, out, to) => {
    const d = halfAt(bytes, at);
    for (let i = 0; i < 32; i++) out[to + i] = d * int8At(bytes, at + 2 + i);
  },
  Q4_0: (bytes, at, out, to) => {
    const d = halfAt(bytes, at);
    for (let i = 0; i < 16; i++) {
      const byte = byteAt(bytes, at + 2 + i);
      out[to + i] = d * ((byte & 15) - 8);
      out[to + i + 16] = d * ((byte >> 4) - 8);
    }
  },
  Q4_1: (bytes, at, out, to) => {
    const d = halfAt(bytes, at);
    const m = halfAt(bytes, at + 2);
    for (let i = 0; i < 16; i++) {
      const byte = byteAt(bytes, at + 4 + i);
      out[to + i] = d * (byte & 15) + m;
      out[to + i + 16] = d * (byte >> 4) + m;
    }
  },
  Q5_0: (bytes, at, out, to) => {
    const d = halfAt(bytes, at);
    for (let i = 0; i < 32; i++) out[to + i] = d * (fiveBits(bytes, at + 2, i) - 16);
  },
  Q5_1: (bytes, at, out, to) => {
    const d = halfAt(bytes, at);
    const m = halfAt(bytes, at + 2);
    for (let i = 0; i < 32; i++) out[to + i] = d * fiveBits(bytes, at + 4, i) + m;
  },
  Q4_K: (bytes, at, out, to) => {
    const d = halfAt(bytes, at);
    const dmin = halfAt(bytes, at + 2);
    for (let sub = 0; sub < 8; sub++) {
      const scale = d * subScale(bytes, at + 4, sub);
      const minimum = dmin * subMinimum(bytes, at + 4, sub);
      for (let i = 0; i < 32; i++) out[to + 32 * sub + i] = scale * kNibble(bytes, at + 16, sub, i) - minimum;
    }
  },
  Q5_K: (bytes, at, out, to) => {
    const d = halfAt(bytes, at);
    const dmin = halfAt(bytes, at + 2);
    for (let sub = 0; sub < 8; sub++) {
      const scale = d * subScale(bytes, at + 4, sub);
      const minimum = dmin * subMinimum(bytes, at + 4, sub);
      for (let i = 0; i < 32; i++) {
        const high = (byteAt(bytes, at + 16 + i) >> sub) & 1;
        out[to + 32 * sub + i] = scale * (kNibble(bytes, at + 48, sub, i) + 16 * high) - minimum;
      }
    }
  },
  Q6_K: (bytes, at, out, to) => {
    const d = halfAt(bytes, at + 208);
    for (let i = 0; i < 256; i++) {
      // Two halves of 128; in each, quarter q takes its low bits from byte 32 (q % 2) + l, high nibbles from q = 2 on.
      const half = i >> 7;
      const quarter = (i >> 5) & 3;
      const l = i & 31;
      const low = byteAt(bytes, at + 64 * half + 32 * (quarter & 1) + l) >> (quarter >= 2 ? 4 : 0);
      const high = byteAt(bytes, at + 128 + 32 * half + l) >> (2 * quarter);
      const scale = d * int8At(bytes, at + 192 + (i >> 4));
      out[to + i] = scale * (((low & 15) | ((high & 3) << 4)) - 32);
    }
  },
};

function halfAt(bytes: Uint8Array, at: number): number {
  return f16Values()[byteAt(bytes, at) | (byteAt(bytes, at + 1) << 8)] ?? 0;
}

function byteAt(bytes: Uint8Array, at: number): number {
  return bytes[at] ?? 0;
}

function int8At(bytes: Uint8Array, at: number): number {
  return (byteAt(bytes, at) << 24) >> 24;
}

/** Element i of a block of Q5_0 or Q5_1: 4 bytes of fifth bits, then 16 bytes of nibbles. */
function fiveBits(bytes: Uint8Array, at: number, i: number): number {
  const nibble = (byteAt(bytes, at + 4 + (i & 15)) >> (i < 16 ? 0 : 4)) & 15;
  const fifth = (byteAt(bytes, at + (i >> 3)) >> (i & 7)) & 1;
  return nibble | (fifth << 4);
}

/** Element i of sub-block `sub` of Q4_K or Q5_K: a pair of sub-blocks shares 32 bytes, low nibbles first. */
export function kNibble(bytes: Uint8Array, at: number, sub: number, i: number): number {
  return (byteAt(bytes, at + 32 * (sub >> 1) + i) >> (4 * (sub & 1))) & 15;
}

/** The 12 bytes at `at` hold 8 scales and 8 minima of 6 bits (get_scale_min_k4 of ggml-quants.c). */
export function subScale(bytes: Uint8Array, at: number, sub: number): number {
  if (sub < 4) return byteAt(bytes, at + sub) & 63;
  return (byteAt(bytes, at + sub + 4) & 15) | ((byteAt(bytes, at + sub - 4) >> 6) << 4);
}

export function subMinimum(bytes: Uint8Array, at: number, sub: number): number {
  if (sub < 4) return byteAt(bytes, at + sub + 4) & 63;
  return (byteAt(bytes, at + sub + 4) >> 4) | ((byteAt(bytes, at + sub) >> 6) << 4);
}

import { elementCount } from './dtype.ts';
import { bf16ToNumber, f16Values } from './half.ts';

/**
 * Weights as the kernels read them. Rows are padded with zeros to a multiple of GROUP elements, so that every kernel may
 * walk whole groups. Groups, names and nibble order are ggml's (ggml-common.h of llama.cpp), only that the scales lie
 * apart from the quants, so that 16 bytes of quants stay aligned:
 *
 *   f32   4 bytes an element              f16, bf16   2 bytes an element
 *   q8_0  w = d * q        q int8         quants: 32 bytes a group
 *   q4_0  w = d * (q - 8)  q 0..15        quants: 16 bytes a group; byte b holds element b (low nibble), b + 16 (high)
 *   q4_1  w = d * q + m    q 0..15        quants: the same
 *
 * scales: f16 bits, row after row; one a group (d), two a group for q4_1 (d, m).
 */
export type WeightFormat = 'f32' | 'f16' | 'bf16' | 'q8_0' | 'q4_0' | 'q4_1';

export const WEIGHT_FORMATS: readonly WeightFormat[] = ['f32', 'f16', 'bf16', 'q8_0', 'q4_0', 'q4_1'];

export const GROUP = 32;

/** Bytes that the quants of one group take. */
export const GROUP_BYTES: Readonly<Record<WeightFormat, number>> = {
  f32: 128,
  f16: 64,
  bf16: 64,
  q8_0: 32,
  q4_0: 16,
  q4_1: 16,
};

/** f16 numbers that accompany one group. */
export const GROUP_SCALES: Readonly<Record<WeightFormat, number>> = {
  f32: 0,
  f16: 0,
  bf16: 0,
  q8_0: 1,
  q4_0: 1,
  q4_1: 2,
};

export interface PackedTensor {
  readonly format: WeightFormat;
  readonly rows: number;
  /** Elements of a row that count; the row is stored with paddedLength(cols). */
  readonly cols: number;
  /** [rows, groups, GROUP_BYTES] */
  readonly quants: Uint8Array<ArrayBuffer>;
  /** [rows, groups, GROUP_SCALES] f16 bits */
  readonly scales: Uint16Array<ArrayBuffer>;
}

export function paddedLength(cols: number): number {
  return Math.ceil(cols / GROUP) * GROUP;
}

export function groupsOf(cols: number): number {
  return Math.ceil(cols / GROUP);
}

export function emptyPacked(format: WeightFormat, rows: number, cols: number): PackedTensor {
  const groups = rows * groupsOf(cols);
  return {
    format,
    rows,
    cols,
    quants: new Uint8Array(groups * GROUP_BYTES[format]),
    scales: new Uint16Array(groups * GROUP_SCALES[format]),
  };
}

export function packedBytes(tensor: PackedTensor): number {
  return tensor.quants.byteLength + tensor.scales.byteLength;
}

/** New tensor whose row i is row `order[i]` of `tensor`. Quantised rows move whole: nothing is rounded. */
export function gatherRows(tensor: PackedTensor, order: ArrayLike<number>): PackedTensor {
  const result = emptyPacked(tensor.format, order.length, tensor.cols);
  const quantStride = groupsOf(tensor.cols) * GROUP_BYTES[tensor.format];
  const scaleStride = groupsOf(tensor.cols) * GROUP_SCALES[tensor.format];
  for (let row = 0; row < order.length; row++) {
    const from = order[row] ?? 0;
    result.quants.set(
      tensor.quants.subarray(from * quantStride, (from + 1) * quantStride),
      row * quantStride,
    );
    result.scales.set(
      tensor.scales.subarray(from * scaleStride, (from + 1) * scaleStride),
      row * scaleStride,
    );
  }
  return result;
}

/** Rows of all tensors, one after another. All must have the same format and cols. */
export function concatRows(tensors: readonly PackedTensor[]): PackedTensor {
  const [first] = tensors;
  if (!first || tensors.some((t) => t.format !== first.format || t.cols !== first.cols)) {
    throw new RangeError('concatRows: tensors of one format and one number of columns expected');
  }
  const rows = tensors.reduce((sum, t) => sum + t.rows, 0);
  const result = emptyPacked(first.format, rows, first.cols);
  let quantOffset = 0;
  let scaleOffset = 0;
  for (const { quants, scales } of tensors) {
    result.quants.set(quants, quantOffset);
    result.scales.set(scales, scaleOffset);
    quantOffset += quants.length;
    scaleOffset += scales.length;
  }
  return result;
}

/** One row as f32, padding left off. Used where a CPU needs values; the kernels have their own decoders. */
export function unpackRow(
  tensor: PackedTensor,
  row: number,
  out = new Float32Array(tensor.cols),
): Float32Array {
  const { format, cols, quants, scales } = tensor;
  const groups = groupsOf(cols);
  const base = row * groups * GROUP_BYTES[format];
  const half = f16Values();
  if (format === 'f32') {
    const view = new DataView(quants.buffer, quants.byteOffset + base, cols * 4);
    for (let i = 0; i < cols; i++) out[i] = view.getFloat32(i * 4, true);
    return out;
  }
  if (format === 'f16' || format === 'bf16') {
    for (let i = 0; i < cols; i++) {
      const bits = (quants[base + 2 * i] ?? 0) | ((quants[base + 2 * i + 1] ?? 0) << 8);
      out[i] = format === 'f16' ? (half[bits] ?? 0) : bf16ToNumber(bits);
    }
    return out;
  }
  for (let i = 0; i < cols; i++) {
    const group = row * groups + Math.floor(i / GROUP);
    const within = i % GROUP;
    if (format === 'q8_0') {
      const q = ((quants[group * 32 + within] ?? 0) << 24) >> 24;
      out[i] = (half[scales[group] ?? 0] ?? 0) * q;
      continue;
    }
    const byte = quants[group * 16 + (within % 16)] ?? 0;
    const q = within < 16 ? byte & 15 : byte >> 4;
    out[i] =
      format === 'q4_0'
        ? (half[scales[group] ?? 0] ?? 0) * (q - 8)
        : (half[scales[2 * group] ?? 0] ?? 0) * q + (half[scales[2 * group + 1] ?? 0] ?? 0);
  }
  return out;
}

/** All rows as f32, [rows, cols]. */
export function unpack(tensor: PackedTensor): Float32Array {
  const out = new Float32Array(elementCount([tensor.rows, tensor.cols]));
  for (let row = 0; row < tensor.rows; row++) {
    unpackRow(tensor, row, out.subarray(row * tensor.cols, (row + 1) * tensor.cols));
  }
  return out;
}

import { BLOCK_SIZES, elementCount, isReadableDtype } from '../core/dtype.ts';
import type { ReadableDtype } from '../core/dtype.ts';
import { WebMlaError } from '../core/errors.ts';
import { emptyPacked, gatherRows, GROUP_BYTES, groupsOf, unpackRow, WEIGHT_FORMATS } from '../core/packed.ts';
import type { PackedTensor, WeightFormat } from '../core/packed.ts';
import { packPlain, quantize } from '../core/quantize.ts';
import { decodeBlocks } from './ggml_blocks.ts';
import { isPackable, packBlocks } from './ggml_pack.ts';
import { checkFloats, checkPacked } from './tensor_check.ts';
import { rowGather } from './tensor_entry.ts';
import type { TensorEntry } from './tensor_entry.ts';

/** Elements that are in f32 at a time while a tensor is converted: 4 MiB. */
const SLICE_ELEMENTS = 2 ** 20;

const PLAIN = { F32: 'f32', F16: 'f16', BF16: 'bf16' } as const;

/** What 'as-is' makes of a type: itself if the kernels read it, q4_1 of Q4_K, otherwise q8_0. */
export function asIsFormat(dtype: string): WeightFormat {
  if (isWeightFormat(dtype)) return dtype;
  if (isPlain(dtype)) return PLAIN[dtype];
  if (dtype === 'Q8_0' || dtype === 'Q4_0') return dtype === 'Q8_0' ? 'q8_0' : 'q4_0';
  return dtype === 'Q4_1' || dtype === 'Q4_K' ? 'q4_1' : 'q8_0';
}

/** True when asIsFormat keeps every value of the type (of Q4_K only the scales are rounded, but rounded they are). */
export function isKeptExactly(dtype: string): boolean {
  return isWeightFormat(dtype) || isPlain(dtype) || (isPackable(dtype) && dtype !== 'Q4_K');
}

/**
 * The bytes of a tensor as they lie in the file.
 * @throws WebMlaError `unsupported` for a type that webmla only lists
 */
export async function readBytes(
  entry: TensorEntry,
  signal?: AbortSignal,
): Promise<{ bytes: Uint8Array<ArrayBuffer>; dtype: ReadableDtype }> {
  const { dtype } = entry;
  if (!isReadableDtype(dtype)) {
    throw new WebMlaError(
      'unsupported',
      `${entry.name}: expected one of ${Object.keys(BLOCK_SIZES).join(', ')}, got ${dtype}`,
      'Use a file of the same model with another quantisation, e.g. Q4_K_M or Q8_0, or the original safetensors.',
      { dtype },
    );
  }
  return { bytes: await entry.source.read(entry.offset, entry.byteLength, signal), dtype };
}

/**
 * A weight matrix for the kernels, rows in HF order.
 * @param shape [rows, cols] that the configuration asks for
 * @param format 'as-is' keeps every bit where the kernels read the type (see asIsFormat)
 * @throws WebMlaError `bad_tensor` for another shape, NaN, infinity, or a value that `format` cannot hold;
 *   `unsupported` for a type that is only listed
 */
export async function readPacked(
  entry: TensorEntry,
  shape: readonly [number, number],
  format: WeightFormat | 'as-is',
  signal?: AbortSignal,
): Promise<PackedTensor> {
  checkShape(entry, shape);
  const [rows, cols] = shape;
  const target = format === 'as-is' ? asIsFormat(entry.dtype) : format;
  const tensor = isWeightFormat(entry.dtype)
    ? repack(entry, await readStored(entry, entry.dtype, rows, cols, signal), target)
    : await convert(entry, rows, cols, target, signal);
  const order = rowGather(entry);
  return order ? gatherRows(tensor, order) : tensor;
}

/**
 * A norm, a bias or any other tensor as f32, in HF order.
 * @param shape that the configuration asks for
 * @throws WebMlaError like readPacked
 */
export async function readFloats(
  entry: TensorEntry,
  shape: readonly number[],
  signal?: AbortSignal,
): Promise<Float32Array<ArrayBuffer>> {
  checkShape(entry, shape);
  const values = await readValues(entry, signal);
  checkFloats(entry, values);
  const order = rowGather(entry);
  if (!order) return values;
  const stride = values.length / order.length;
  const sorted = new Float32Array(values.length);
  order.forEach((from, to) => sorted.set(values.subarray(from * stride, (from + 1) * stride), to * stride));
  return sorted;
}

/** In file order. What is allocated follows from bytes that were read, never from a shape that a header only claims. */
async function readValues(entry: TensorEntry, signal?: AbortSignal): Promise<Float32Array<ArrayBuffer>> {
  if (!isWeightFormat(entry.dtype)) {
    const { bytes, dtype } = await readBytes(entry, signal);
    const values = new Float32Array(elementCount(entry.shape));
    decodeBlocks(dtype, bytes, values);
    return values;
  }
  const [rows = 0, cols = 0] = entry.shape;
  const stored = await readStored(entry, entry.dtype, rows, cols, signal);
  const values = new Float32Array(rows * cols);
  for (let row = 0; row < rows; row++) unpackRow(stored, row, values.subarray(row * cols, (row + 1) * cols));
  return values;
}

async function convert(
  entry: TensorEntry,
  rows: number,
  cols: number,
  target: WeightFormat,
  signal: AbortSignal | undefined,
): Promise<PackedTensor> {
  const { bytes, dtype } = await readBytes(entry, signal);
  if (isPlain(dtype) && PLAIN[dtype] === target) {
    return checkPacked(entry, packPlain(bytes, rows, cols, PLAIN[dtype]));
  }
  if (isPackable(dtype) && asIsFormat(dtype) === target) {
    return checkPacked(entry, packBlocks(dtype, bytes, rows, cols));
  }
  const rowBytes = entry.byteLength / rows;
  return requantize(entry, rows, cols, target, (from, to, out) => {
    decodeBlocks(dtype, bytes.subarray(from * rowBytes, to * rowBytes), out);
  });
}

function repack(entry: TensorEntry, stored: PackedTensor, target: WeightFormat): PackedTensor {
  if (stored.format === target) return stored;
  const { rows, cols } = stored;
  return requantize(entry, rows, cols, target, (from, to, out) => {
    for (let row = from; row < to; row++) {
      unpackRow(stored, row, out.subarray((row - from) * cols, (row - from + 1) * cols));
    }
  });
}

/** A few rows at a time through f32, so that a large embedding is never there as a whole in f32. */
function requantize(
  entry: TensorEntry,
  rows: number,
  cols: number,
  target: WeightFormat,
  decodeRows: (from: number, to: number, out: Float32Array<ArrayBuffer>) => void,
): PackedTensor {
  const result = emptyPacked(target, rows, cols);
  const step = Math.max(1, Math.floor(SLICE_ELEMENTS / Math.max(1, cols)));
  for (let from = 0; from < rows; from += step) {
    const to = Math.min(rows, from + step);
    const values = new Float32Array((to - from) * cols);
    decodeRows(from, to, values);
    checkFloats(entry, values, from * cols);
    const slice = quantize(values, to - from, cols, target);
    result.quants.set(slice.quants, (from * result.quants.length) / rows);
    result.scales.set(slice.scales, (from * result.scales.length) / rows);
  }
  return checkPacked(entry, result);
}

/** webmla's own layout: quants and scales lie in the file as they lie in memory. */
async function readStored(
  entry: TensorEntry,
  format: WeightFormat,
  rows: number,
  cols: number,
  signal: AbortSignal | undefined,
): Promise<PackedTensor> {
  const quants = await entry.source.read(entry.offset, entry.byteLength, signal);
  const { scales } = entry;
  const scaleBytes = scales
    ? await scales.source.read(scales.offset, scales.byteLength, signal)
    : new Uint8Array(0);
  if (quants.length !== rows * groupsOf(cols) * GROUP_BYTES[format]) {
    throw new WebMlaError(
      'bad_tensor',
      `${entry.name}: expected whole groups of ${format}, got ${quants.length} bytes`,
    );
  }
  return checkPacked(entry, { format, rows, cols, quants, scales: new Uint16Array(scaleBytes.buffer) });
}

function checkShape(entry: TensorEntry, shape: readonly number[]): void {
  if (entry.shape.length === shape.length && entry.shape.every((dim, i) => dim === shape[i])) return;
  throw new WebMlaError(
    'bad_tensor',
    `${entry.name}: expected the shape [${shape.join(', ')}], got [${entry.shape.join(', ')}]`,
    'The weights belong to another configuration than the one beside them.',
    { expected: shape, got: entry.shape },
  );
}

function isWeightFormat(dtype: string): dtype is WeightFormat {
  return (WEIGHT_FORMATS as readonly string[]).includes(dtype);
}

function isPlain(dtype: string): dtype is keyof typeof PLAIN {
  return Object.hasOwn(PLAIN, dtype);
}

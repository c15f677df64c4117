import { BLOCK_SIZES, elementCount, isReadableDtype } from '../core/dtype.ts';
import { WebMlaError } from '../core/errors.ts';

export interface TensorToWrite {
  readonly name: string;
  readonly dtype: string;
  readonly shape: readonly number[];
  /** Little-endian, rows one after another. */
  readonly data: Uint8Array<ArrayBuffer>;
}

/**
 * A safetensors file as parts for `new Blob(parts)` or a stream; the data of the tensors is not copied. Larger elements
 * come first and the header is padded to 8 bytes, so that every tensor lies at a multiple of its element size.
 * @throws WebMlaError `internal` when data and shape disagree
 */
export function writeSafetensors(
  tensors: readonly TensorToWrite[],
  metadata: Readonly<Record<string, string>> = {},
): Uint8Array<ArrayBuffer>[] {
  const sorted = tensors.toSorted((a, b) => elementBytes(b.dtype) - elementBytes(a.dtype));
  const header: [string, unknown][] = [];
  if (Object.keys(metadata).length > 0) header.push(['__metadata__', metadata]);
  let offset = 0;
  for (const { name, dtype, shape, data } of sorted) {
    if (data.length !== elementCount(shape) * elementBytes(dtype)) {
      throw new WebMlaError(
        'internal',
        `${name}: expected ${elementCount(shape) * elementBytes(dtype)} bytes, got ${data.length}`,
      );
    }
    header.push([name, { dtype, shape, data_offsets: [offset, offset + data.length] }]);
    offset += data.length;
  }
  const text = new TextEncoder().encode(JSON.stringify(Object.fromEntries(header)));
  const start = new Uint8Array(8 + Math.ceil(text.length / 8) * 8).fill(0x20);
  new DataView(start.buffer).setBigUint64(0, BigInt(start.length - 8), true);
  start.set(text, 8);
  return [start, ...sorted.map(({ data }) => data)];
}

function elementBytes(dtype: string): number {
  if (isReadableDtype(dtype) && BLOCK_SIZES[dtype].elements === 1) return BLOCK_SIZES[dtype].bytes;
  throw new WebMlaError('internal', `writeSafetensors: expected a dtype of safetensors, got ${dtype}`);
}

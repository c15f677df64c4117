import { BLOCK_SIZES, elementCount, isReadableDtype } from '../core/dtype.ts';
import { WebMlaError } from '../core/errors.ts';

/** A Blob keeps out of memory what is only written. */
export type TensorBytes = Uint8Array<ArrayBuffer> | Blob;

export interface TensorToWrite<Bytes extends TensorBytes = Uint8Array<ArrayBuffer>> {
  readonly name: string;
  readonly dtype: string;
  readonly shape: readonly number[];
  /** Little-endian, rows one after another. */
  readonly data: Bytes;
}

/**
 * A safetensors file as parts for `new Blob(parts)` or a stream; the data of the tensors is not copied. Larger elements
 * come first and the header is padded to 8 bytes, so that every tensor lies at a multiple of its element size.
 * @throws WebMlaError `internal` when data and shape disagree
 */
export function writeSafetensors<Bytes extends TensorBytes = Uint8Array<ArrayBuffer>>(
  tensors: readonly TensorToWrite<Bytes>[],
  metadata: Readonly<Record<string, string>> = {},
): (Bytes | Uint8Array<ArrayBuffer>)[] {
  const sorted = tensors.toSorted((a, b) => elementBytes(b.dtype) - elementBytes(a.dtype));
  const header: [string, unknown][] = [];
  if (Object.keys(metadata).length > 0) header.push(['__metadata__', metadata]);
  let offset = 0;
  for (const { name, dtype, shape, data } of sorted) {
    const bytes = data instanceof Blob ? data.size : data.length;
    if (bytes !== elementCount(shape) * elementBytes(dtype)) {
      throw new WebMlaError(
        'internal',
        `${name}: expected ${elementCount(shape) * elementBytes(dtype)} bytes, got ${bytes}`,
      );
    }
    header.push([name, { dtype, shape, data_offsets: [offset, offset + bytes] }]);
    offset += bytes;
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

import { BLOCK_SIZES, elementCount, isReadableDtype } from '../core/dtype.ts';
import { WebMlaError } from '../core/errors.ts';
import type { ByteSource } from './byte_source.ts';
import { headerFields, METADATA } from './safetensors_header.ts';
import type { HeaderField } from './safetensors_header.ts';
import type { TensorEntry } from './tensor_entry.ts';

/**
 * safetensors: u64 length N, N bytes of JSON {name: {dtype, shape, data_offsets: [begin, end]}, __metadata__?}, data.
 * Format and checks: github.com/huggingface/safetensors, README and safetensors/src/tensor.rs. Like the reference
 * implementation this reader accepts no holes, no overlaps and nothing after the last tensor; unlike it, it stops at a
 * header of 25 MB (100 MB there), 100,000 tensors, names of 500 characters and 16 dimensions. So a header becomes at most
 * its bytes, its text and 250 bytes a tensor in memory: measured at the limits, 56 MB of 22, far below its size + 64 MiB.
 */
export interface SafetensorsFile {
  /** In the order of their data. */
  readonly tensors: readonly TensorEntry[];
  /** `__metadata__`; {} when there is none. */
  readonly metadata: Readonly<Record<string, string>>;
}

export const MAX_HEADER_BYTES = 25_000_000;
const MAX_DIMENSIONS = 16;

/** Bits of an element of the types that are listed but not read. Other names are taken at their word. */
const LISTED_BITS: Readonly<Record<string, number>> = {
  F8_E4M3: 8,
  F8_E5M2: 8,
  F8_E4M3FNUZ: 8,
  F8_E5M2FNUZ: 8,
  F8_E8M0: 8,
  F6_E2M3: 6,
  F6_E3M2: 6,
  F4: 4,
  C64: 64,
};

/**
 * Reads the header only.
 * @throws WebMlaError `bad_file` that names what is wrong
 */
export async function readSafetensors(source: ByteSource, signal?: AbortSignal): Promise<SafetensorsFile> {
  const { text, dataOffset } = await readHeader(source, signal);
  const tensors: TensorEntry[] = [];
  let metadata: Readonly<Record<string, string>> = {};
  for (const [name, fields] of headerFields(text, source.name)) {
    if (name === METADATA) metadata = readMetadata(fields, source);
    else tensors.push(readEntry(source, name, fields, dataOffset));
  }
  // Empty tensors share their offset with the next one and go first.
  tensors.sort((a, b) => a.offset - b.offset || a.byteLength - b.byteLength);
  checkContiguous(source, tensors, dataOffset);
  return { tensors, metadata };
}

async function readHeader(
  source: ByteSource,
  signal: AbortSignal | undefined,
): Promise<{ text: string; dataOffset: number }> {
  if (source.size < 10) {
    throw bad(source, `expected a safetensors file of at least 10 bytes, got ${source.size}`);
  }
  const prefix = await source.read(0, 8, signal);
  const length = new DataView(prefix.buffer).getBigUint64(0, true);
  const limit = Math.min(MAX_HEADER_BYTES, source.size - 8);
  if (length > BigInt(limit)) {
    throw bad(source, `expected a header of at most ${limit} bytes, got a length of ${length}`);
  }
  const bytes = await source.read(8, Number(length), signal);
  try {
    const text = new TextDecoder('utf-8', { fatal: true, ignoreBOM: true }).decode(bytes);
    return { text, dataOffset: 8 + bytes.length };
  } catch (error) {
    throw bad(source, 'expected a header in UTF-8, got other bytes', error);
  }
}

function readMetadata(fields: HeaderField, source: ByteSource): Readonly<Record<string, string>> {
  const metadata: Record<string, string> = Object.create(null);
  for (const [key, text] of Object.entries(fields)) {
    if (typeof text !== 'string')
      throw bad(source, `expected text in __metadata__.${key}, got ${typeof text}`);
    metadata[key] = text;
  }
  return metadata;
}

function readEntry(source: ByteSource, name: string, fields: HeaderField, dataOffset: number): TensorEntry {
  const { dtype, shape, data_offsets: range } = fields;
  if (typeof dtype !== 'string' || !isFileDtype(dtype)) {
    throw bad(source, `expected a dtype of ${name}, got ${JSON.stringify(dtype)?.slice(0, 40)}`);
  }
  if (!isCounts(shape) || shape.length > MAX_DIMENSIONS || !Number.isSafeInteger(elementCount(shape))) {
    throw bad(source, `expected a shape of ${name}, got ${JSON.stringify(shape)?.slice(0, 100)}`);
  }
  const [begin, end, ...more] = isCounts(range) ? range : [];
  if (begin === undefined || end === undefined || more.length > 0 || end < begin) {
    throw bad(source, `expected [begin, end] of ${name}, got ${JSON.stringify(range)?.slice(0, 100)}`);
  }
  const byteLength = end - begin;
  const bits = isReadableDtype(dtype) ? 8 * BLOCK_SIZES[dtype].bytes : LISTED_BITS[dtype];
  if (bits !== undefined && byteLength * 8 !== elementCount(shape) * bits) {
    throw bad(
      source,
      `expected ${(elementCount(shape) * bits) / 8} bytes of ${name}, ${dtype} [${shape.join(', ')}], got ${byteLength}`,
    );
  }
  return { name, dtype, shape, source, offset: dataOffset + begin, byteLength };
}

function checkContiguous(source: ByteSource, tensors: readonly TensorEntry[], dataOffset: number): void {
  let end = dataOffset;
  for (const { name, offset, byteLength } of tensors) {
    if (offset !== end) {
      throw bad(
        source,
        `expected ${name} to begin at byte ${end}, where the tensor before it ends, got ${offset}`,
      );
    }
    end += byteLength;
  }
  if (end !== source.size) {
    throw bad(source, `expected a file of ${end} bytes, as the header says, got ${source.size}`);
  }
}

/** ggml's blocks have no place in safetensors, and lower case is for webmla's packed weights (packed_checkpoint.ts). */
function isFileDtype(dtype: string): boolean {
  return /^[A-Z][A-Z0-9_]*$/.test(dtype) && !(isReadableDtype(dtype) && BLOCK_SIZES[dtype].elements > 1);
}

/** A list of non-negative whole numbers. */
function isCounts(value: unknown): value is number[] {
  return Array.isArray(value) && value.every((x) => Number.isSafeInteger(x) && x >= 0);
}

function bad(source: Pick<ByteSource, 'name'>, what: string, cause?: unknown): WebMlaError {
  return new WebMlaError(
    'bad_file',
    `${source.name}: ${what}`,
    'The file is damaged, cut short, or not a safetensors file. Download it again.',
    {},
    cause,
  );
}

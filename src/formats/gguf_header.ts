import { WebMlaError } from '../core/errors.ts';
import type { ByteSource } from './byte_source.ts';
import { HeaderCursor } from './header_cursor.ts';

/**
 * The header of a GGUF file: magic, version, counts, metadata, tensor table; little-endian.
 * Format: github.com/ggml-org/ggml, docs/gguf.md; limits as in gguf.cpp where it has any.
 *
 * Not read through @huggingface/gguf 0.4.6 (test/cpu/formats/gguf_library.test.ts compares both and pins the reasons): it
 * cuts strings at its 2 MB chunks without an error, begins every list anew with each chunk, and makes lists as long as a
 * damaged count says, 287 MB from 24 bytes. Here a count is held against the bytes that are left before anything is made.
 */
export interface GgufHeader {
  /** Integers of 64 bits are numbers when they are safe, else bigint. Lists are plain arrays. */
  readonly metadata: Readonly<Record<string, unknown>>;
  readonly tensors: readonly GgufTensorInfo[];
  /** Bytes of the header, padding not included. */
  readonly byteLength: number;
}

export interface GgufTensorInfo {
  readonly name: string;
  /** Innermost first, as in the file. */
  readonly dims: readonly number[];
  /** Number of the ggml type. */
  readonly type: number;
  /** From the beginning of the data. */
  readonly offset: number;
}

const MAX_KEY_BYTES = 65_535;
const MAX_NAME_BYTES = 256;
const MAX_DIMS = 4;
/** What an entry of the tensor table takes at least in the file, and about in memory as an object. */
const TENSOR_BYTES = 24;
const TENSOR_COST = 500;

const TYPE_STRING = 8;
const TYPE_ARRAY = 9;
/** Bytes of a value in the file, by type number: u8 i8 u16 i16 u32 i32 f32 bool string(length) list(-) u64 i64 f64. */
const VALUE_BYTES = [1, 1, 2, 2, 4, 4, 4, 1, 8, 0, 8, 8, 8] as const;

/**
 * @throws WebMlaError `bad_file` naming what is wrong; `unsupported` for big-endian files, version 1 and nested lists
 */
export async function readGgufHeader(source: ByteSource, signal?: AbortSignal): Promise<GgufHeader> {
  const cursor = new HeaderCursor(source, signal);
  await cursor.need(24);
  const magic = String.fromCharCode(cursor.u8(), cursor.u8(), cursor.u8(), cursor.u8());
  if (magic !== 'GGUF')
    throw cursor.bad(`expected a file that begins with GGUF, got ${JSON.stringify(magic)}`);
  checkVersion(cursor.u32(), source.name);
  const tensorCount = cursor.count(cursor.u64(), TENSOR_BYTES, TENSOR_COST, 'tensors');
  const fieldCount = cursor.count(cursor.u64(), 13, 100, 'metadata fields');

  const metadata: Record<string, unknown> = Object.create(null);
  for (let i = 0; i < fieldCount; i++) {
    const key = await readString(cursor, MAX_KEY_BYTES);
    if (key in metadata) throw cursor.bad(`expected each metadata key once, got ${shown(key)} twice`);
    await cursor.need(4);
    const type = cursor.u32();
    metadata[key] = type === TYPE_ARRAY ? await readList(cursor, key) : await readValue(cursor, type, key);
  }
  const tensors: GgufTensorInfo[] = [];
  for (let i = 0; i < tensorCount; i++) tensors.push(await readTensorInfo(cursor));
  return { metadata, tensors, byteLength: cursor.position };
}

function checkVersion(version: number, file: string): void {
  if (version === 2 || version === 3) return;
  const bigEndian = (version & 0xffff) === 0 && version !== 0;
  throw new WebMlaError(
    'unsupported',
    `${file}: expected a little-endian GGUF of version 2 or 3, got ` +
      (bigEndian ? 'a big-endian one' : `version ${version}`),
    'Convert the model again with a current llama.cpp.',
  );
}

async function readTensorInfo(cursor: HeaderCursor): Promise<GgufTensorInfo> {
  const name = await readString(cursor, MAX_NAME_BYTES);
  await cursor.need(4);
  const dimCount = cursor.u32();
  if (dimCount > MAX_DIMS)
    throw cursor.bad(`expected at most ${MAX_DIMS} dimensions of ${name}, got ${dimCount}`);
  await cursor.need(8 * dimCount + 12);
  const dims = Array.from({ length: dimCount }, () => cursor.safe(cursor.u64(), `a dimension of ${name}`));
  const type = cursor.u32();
  return { name, dims, type, offset: cursor.safe(cursor.u64(), `the offset of ${name}`) };
}

async function readString(cursor: HeaderCursor, limit?: number): Promise<string> {
  await cursor.need(8);
  const length = cursor.count(cursor.u64(), 1, 2, 'bytes of a text');
  if (limit !== undefined && length > limit) {
    throw cursor.bad(`expected a name of at most ${limit} bytes, got ${length}`);
  }
  if (cursor.buffered < length) await cursor.need(length);
  return cursor.text(length);
}

async function readValue(cursor: HeaderCursor, type: number, key: string): Promise<unknown> {
  if (type === TYPE_STRING) return readString(cursor);
  const bytes = VALUE_BYTES[type];
  if (!bytes) throw cursor.bad(`expected a type from 0 to 12 of ${shown(key)}, got ${type}`);
  await cursor.need(bytes);
  return cursor.scalar(type);
}

/** Keys may have 64 kB, and be anything. */
function shown(key: string): string {
  return key.length > 80 ? `${key.slice(0, 80)}...` : key;
}

async function readList(cursor: HeaderCursor, key: string): Promise<unknown[]> {
  await cursor.need(12);
  const type = cursor.u32();
  const bytes = VALUE_BYTES[type];
  if (type === TYPE_ARRAY) {
    throw new WebMlaError(
      'unsupported',
      `${cursor.name}: ${shown(key)}: expected a flat list, got a list of lists`,
    );
  }
  if (!bytes) throw cursor.bad(`expected a type from 0 to 12 in the list ${shown(key)}, got ${type}`);
  // A text costs its object beside the place in the list; its bytes are counted when it is read.
  const count = cursor.count(cursor.u64(), bytes, type === TYPE_STRING ? 40 : 8, `values in ${shown(key)}`);
  const list: unknown[] = Array.from({ length: count });
  for (let i = 0; i < count; i++) {
    // Awaiting each of a million values would take longer than reading them.
    if (type === TYPE_STRING) {
      list[i] = cursor.bufferedText() ?? (await readString(cursor));
    } else {
      if (cursor.buffered < bytes) await cursor.need(bytes);
      list[i] = cursor.scalar(type);
    }
  }
  return list;
}

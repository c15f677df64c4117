import { joined } from './memory_files.ts';

/** A small GGUF writer, to make files for tests: sound ones, and on request wrong ones. */

export const GGUF_TYPES = {
  u8: 0,
  i8: 1,
  u16: 2,
  i16: 3,
  u32: 4,
  i32: 5,
  f32: 6,
  bool: 7,
  string: 8,
  list: 9,
  u64: 10,
  i64: 11,
  f64: 12,
} as const;

type ScalarType = Exclude<keyof typeof GGUF_TYPES, 'list'>;

export interface GgufField {
  readonly type: ScalarType;
  /** A list makes a list of `type`. */
  readonly value: GgufScalar | readonly GgufScalar[];
}

type GgufScalar = number | bigint | boolean | string;

export interface GgufTensor {
  readonly name: string;
  /** Number of the ggml type. */
  readonly type: number;
  /** Outermost first, as in Hugging Face. */
  readonly shape: readonly number[];
  readonly data: Uint8Array;
}

export interface GgufOptions {
  readonly version?: number;
  readonly alignment?: number;
}

/** Fields: `{ 'general.architecture': text('llama') }`. */
export const text = (value: string): GgufField => ({ type: 'string', value });
export const u32 = (value: number): GgufField => ({ type: 'u32', value });
export const f32 = (value: number): GgufField => ({ type: 'f32', value });

export function writeGguf(
  fields: Readonly<Record<string, GgufField>>,
  tensors: readonly GgufTensor[],
  { version = 3, alignment = 32 }: GgufOptions = {},
): Uint8Array<ArrayBuffer> {
  const header: Uint8Array[] = [new TextEncoder().encode('GGUF'), number('u32', version)];
  header.push(number('u64', BigInt(tensors.length)), number('u64', BigInt(Object.keys(fields).length)));
  for (const [key, field] of Object.entries(fields)) header.push(string(key), fieldBytes(field));
  let offset = 0;
  const data: Uint8Array[] = [];
  for (const { name, type, shape, data: bytes } of tensors) {
    header.push(string(name), number('u32', shape.length));
    header.push(...shape.toReversed().map((dim) => number('u64', BigInt(dim))));
    header.push(number('u32', type), number('u64', BigInt(offset)));
    data.push(bytes, new Uint8Array(padding(bytes.length, alignment)));
    offset += bytes.length + padding(bytes.length, alignment);
  }
  const start = joined(header);
  return joined([start, new Uint8Array(padding(start.length, alignment)), ...data]);
}

function padding(length: number, alignment: number): number {
  return (alignment - (length % alignment)) % alignment;
}

function fieldBytes({ type, value }: GgufField): Uint8Array {
  if (!isList(value)) return joined([number('u32', GGUF_TYPES[type]), scalar(type, value)]);
  const head = [
    number('u32', GGUF_TYPES.list),
    number('u32', GGUF_TYPES[type]),
    number('u64', BigInt(value.length)),
  ];
  return joined([
    ...head,
    type === 'string' ? strings(value.map(String)) : joined(value.map((x) => scalar(type, x))),
  ]);
}

/** A million of them in a second, which a piece for each would not do. */
function strings(values: readonly string[]): Uint8Array {
  const bytes = new Uint8Array(values.reduce((sum, value) => sum + 8 + 3 * value.length, 0));
  const view = new DataView(bytes.buffer);
  const encoder = new TextEncoder();
  let at = 0;
  for (const value of values) {
    const { written } = encoder.encodeInto(value, bytes.subarray(at + 8));
    view.setUint32(at, written, true);
    at += 8 + written;
  }
  return bytes.subarray(0, at);
}

function isList(value: GgufField['value']): value is readonly GgufScalar[] {
  return Array.isArray(value);
}

function scalar(type: ScalarType, value: GgufScalar): Uint8Array {
  return type === 'string' ? string(String(value)) : number(type, value);
}

function string(value: string): Uint8Array {
  const bytes = new TextEncoder().encode(value);
  return joined([number('u64', BigInt(bytes.length)), bytes]);
}

export function number(type: Exclude<ScalarType, 'string'>, value: GgufScalar): Uint8Array {
  const view = new DataView(new ArrayBuffer(8));
  const n = Number(value);
  const sizes = { u8: 1, i8: 1, u16: 2, i16: 2, u32: 4, i32: 4, f32: 4, bool: 1, u64: 8, i64: 8, f64: 8 };
  switch (type) {
    case 'u8':
    case 'i8':
    case 'bool':
      view.setUint8(0, n);
      break;
    case 'u16':
    case 'i16':
      view.setUint16(0, n, true);
      break;
    case 'u32':
    case 'i32':
      view.setUint32(0, n, true);
      break;
    case 'f32':
      view.setFloat32(0, n, true);
      break;
    case 'u64':
    case 'i64':
      view.setBigUint64(0, BigInt(value), true);
      break;
    case 'f64':
      view.setFloat64(0, n, true);
      break;
  }
  return new Uint8Array(view.buffer, 0, sizes[type]);
}

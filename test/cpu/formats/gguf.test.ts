import { describe, expect, test } from 'vitest';
import { BLOCK_SIZES } from '../../../src/core/dtype.ts';
import type { ReadableDtype } from '../../../src/core/dtype.ts';
import { memorySource } from '../../../src/formats/byte_source.ts';
import type { ByteSource } from '../../../src/formats/byte_source.ts';
import { readGguf } from '../../../src/formats/gguf.ts';
import { readBytes } from '../../../src/formats/tensor_data.ts';
import { number, text, u32, writeGguf } from './gguf_writer.ts';
import type { GgufField, GgufTensor } from './gguf_writer.ts';
import { f32Bytes, joined } from './memory_files.ts';
import { errorOf } from './typed_error.ts';

const read = (bytes: Uint8Array) => readGguf(memorySource(bytes, 'file.gguf'));
const norm: GgufTensor = { name: 'norm', type: 0, shape: [3], data: f32Bytes([1, 2, 3]) };
const quant: GgufTensor = { name: 'quant', type: 8, shape: [2, 32], data: new Uint8Array(68).fill(5) };

const everything: Record<string, GgufField> = {
  u8: { type: 'u8', value: 200 },
  i8: { type: 'i8', value: -100 },
  u16: { type: 'u16', value: 60_000 },
  i16: { type: 'i16', value: -30_000 },
  u32: { type: 'u32', value: 4_000_000_000 },
  i32: { type: 'i32', value: -2_000_000_000 },
  f32: { type: 'f32', value: 0.5 },
  bool: { type: 'bool', value: true },
  string: text('naïve 🦙 "text"\n'),
  empty: text(''),
  u64: { type: 'u64', value: 2 ** 40 },
  large: { type: 'u64', value: 2n ** 63n },
  i64: { type: 'i64', value: -(2 ** 40) },
  f64: { type: 'f64', value: 0.1 },
  numbers: { type: 'i32', value: [1, -2, 3] },
  none: { type: 'f32', value: [] },
  texts: { type: 'string', value: ['a', '', 'ü'] },
  flags: { type: 'bool', value: [true, false] },
};

describe('a sound file', () => {
  test('every type of metadata', async () => {
    const { metadata } = await read(writeGguf(everything, []));
    const expected = Object.fromEntries(Object.entries(everything).map(([key, { value }]) => [key, value]));
    expect({ ...metadata }).toEqual(expected);
  });

  test.each([2, 3])('tensors, version %i', async (version) => {
    const { tensors } = await read(writeGguf({ a: u32(1) }, [norm, quant], { version }));
    expect(tensors.map(({ name, dtype, shape }) => [name, dtype, shape])).toEqual([
      ['norm', 'F32', [3]],
      ['quant', 'Q8_0', [2, 32]],
    ]);
    expect((await readBytes(tensors[0]!)).bytes).toEqual(norm.data);
    expect((await readBytes(tensors[1]!)).bytes).toEqual(quant.data);
  });

  test('another alignment', async () => {
    const bytes = writeGguf({ 'general.alignment': u32(256) }, [norm, quant], { alignment: 256 });
    const { tensors } = await read(bytes);
    expect(tensors.map(({ offset }) => offset % 256)).toEqual([0, 0]);
    expect((await readBytes(tensors[1]!)).bytes).toEqual(quant.data);
  });

  test('keys that are properties of every object', async () => {
    const { metadata } = await read(writeGguf({ ['__proto__']: u32(1), constructor: u32(2) }, []));
    expect(Object.entries(metadata)).toEqual([
      ['__proto__', 1],
      ['constructor', 2],
    ]);
  });

  test('types that are not read are listed, and reach to the next tensor', async () => {
    const iq: GgufTensor = { name: 'iq', type: 23, shape: [1, 256], data: new Uint8Array(136) };
    const unknown: GgufTensor = { name: 'x', type: 99, shape: [7], data: new Uint8Array(32) };
    const { tensors } = await read(writeGguf({}, [iq, norm, unknown]));
    expect(tensors.map(({ dtype, byteLength }) => [dtype, byteLength])).toEqual([
      ['IQ4_XS', 160],
      ['F32', 12],
      ['GGML_TYPE_99', 32],
    ]);
    const error = await errorOf(readBytes(tensors[0]!));
    expect(error.code).toBe('unsupported');
    expect(error.message).toContain('got IQ4_XS');
  });

  test('every type that is read has its block size', async () => {
    const types: readonly [number, ReadableDtype][] = [
      [0, 'F32'],
      [1, 'F16'],
      [2, 'Q4_0'],
      [3, 'Q4_1'],
      [6, 'Q5_0'],
      [7, 'Q5_1'],
      [8, 'Q8_0'],
      [12, 'Q4_K'],
      [13, 'Q5_K'],
      [14, 'Q6_K'],
      [24, 'I8'],
      [25, 'I16'],
      [26, 'I32'],
      [27, 'I64'],
      [28, 'F64'],
      [30, 'BF16'],
    ];
    for (const [type, dtype] of types) {
      const { bytes, elements } = BLOCK_SIZES[dtype];
      const one: GgufTensor = {
        name: 't',
        type,
        shape: [2, elements],
        data: new Uint8Array(2 * bytes),
      };
      const { tensors } = await read(writeGguf({}, [one]));
      expect([tensors[0]?.dtype, tensors[0]?.byteLength]).toEqual([dtype, 2 * bytes]);
    }
  });

  test('a header of many windows, with texts across their borders', async () => {
    const long = 'é'.repeat(700_000);
    const tokens = Array.from({ length: 200_000 }, (_, i) => `token ${i}`);
    const scores = Array.from({ length: 200_000 }, (_, i) => i);
    const fields: Record<string, GgufField> = {
      before: text(long),
      tokens: { type: 'string', value: tokens },
      scores: { type: 'f32', value: scores },
      after: u32(7),
    };
    const { metadata, tensors } = await read(writeGguf(fields, [norm]));
    expect(metadata['before'] === long).toBe(true);
    expect(metadata['tokens']).toEqual(tokens);
    expect(metadata['scores']).toEqual(scores);
    expect(metadata['after']).toBe(7);
    expect((await readBytes(tensors[0]!)).bytes).toEqual(norm.data);
  });

  test('only the header is read', async () => {
    const bytes = writeGguf({ a: u32(1) }, [{ ...norm, shape: [2 ** 20], data: new Uint8Array(2 ** 22) }]);
    let asked = 0;
    const inner = memorySource(bytes, 'f');
    const source: ByteSource = {
      ...inner,
      read: (offset, length) => {
        asked += length;
        return inner.read(offset, length);
      },
    };
    await readGguf(source);
    expect(asked).toBeLessThanOrEqual(2 ** 20);
  });
});

/** A header from pieces, for files that no writer would write. */
function raw(tensors: bigint, fields: bigint, ...rest: Uint8Array[]): Uint8Array {
  return joined([
    new TextEncoder().encode('GGUF'),
    number('u32', 3),
    number('u64', tensors),
    number('u64', fields),
    ...rest,
  ]);
}

function field(key: string, type: number, ...value: Uint8Array[]): Uint8Array {
  return joined([
    number('u64', BigInt(key.length)),
    new TextEncoder().encode(key),
    number('u32', type),
    ...value,
  ]);
}

function info(name: string, dims: readonly bigint[], type: number, offset: bigint): Uint8Array {
  const dimBytes = dims.map((dim) => number('u64', dim));
  const start = [
    number('u64', BigInt(name.length)),
    new TextEncoder().encode(name),
    number('u32', dims.length),
  ];
  return joined([...start, ...dimBytes, number('u32', type), number('u64', offset)]);
}

describe('what is wrong is said', () => {
  const room = new Uint8Array(256);
  const cases: readonly [string, Uint8Array, string][] = [
    ['nothing', new Uint8Array(0), 'got a file of 0 bytes'],
    ['another format', joined([new TextEncoder().encode('PK\x03\x04'), room]), 'begins with GGUF, got "PK'],
    ['a quadrillion tensors', raw(10n ** 15n, 0n), 'at most 0 tensors'],
    ['2^64 - 1 fields', raw(0n, 2n ** 64n - 1n, room), 'metadata fields in the rest of the file'],
    ['more tensors than the file can hold', raw(12n, 0n, room), 'at most 11 tensors'],
    [
      'a list longer than the file',
      raw(0n, 1n, field('a', 9, number('u32', 8), number('u64', 10n ** 6n))),
      'at most 0 values in a',
    ],
    [
      'a text longer than the file',
      raw(0n, 1n, field('a', 8, number('u64', 300n), room)),
      'at most 256 bytes of a text',
    ],
    [
      'a type of metadata that does not exist',
      raw(0n, 1n, field('a', 13, room)),
      'a type from 0 to 12 of a, got 13',
    ],
    [
      'a list of such a type',
      raw(0n, 1n, field('a', 9, number('u32', 77), room)),
      'a type from 0 to 12 in the list a',
    ],
    [
      'a key twice',
      raw(0n, 2n, field('a', 0, number('u8', 1)), field('a', 0, number('u8', 1)), room),
      'each metadata key once',
    ],
    [
      'five dimensions',
      raw(1n, 0n, info('t', [1n, 1n, 1n, 1n, 1n], 0, 0n), room),
      'at most 4 dimensions of t, got 5',
    ],
    ['a dimension of 2^63', raw(1n, 0n, info('t', [2n ** 63n], 0, 0n), room), 'a dimension of t below 2^53'],
    [
      'dimensions whose product overflows',
      raw(1n, 0n, info('t', [2n ** 50n, 2n ** 50n], 99, 0n), room),
      'fewer than 2^53 values in t',
    ],
    ['a tensor larger than the file', raw(1n, 0n, info('t', [1000n], 0, 0n), room), 't to end within'],
    ['an offset beyond the file', raw(1n, 0n, info('t', [1n], 0, 2n ** 40n), room), 't to end within'],
    ['an offset of 2^63', raw(1n, 0n, info('t', [1n], 0, 2n ** 63n), room), 'the offset of t below 2^53'],
    ['an offset between', raw(1n, 0n, info('t', [1n], 0, 4n), room), 'an offset of t that 32 divides, got 4'],
    [
      'rows that are no whole blocks',
      raw(1n, 0n, info('t', [33n], 8, 0n), room),
      'rows of t in blocks of 32, got 33',
    ],
    [
      'overlapping tensors',
      raw(2n, 0n, info('t', [16n], 0, 0n), info('u', [1n], 0, 32n), room),
      'u at or after byte 64',
    ],
    [
      'a tensor twice',
      raw(2n, 0n, info('t', [1n], 0, 0n), info('t', [1n], 0, 32n), room),
      'each tensor once, got t',
    ],
    [
      'a name of 300 bytes',
      raw(1n, 0n, info('t'.repeat(300), [1n], 0, 0n), room),
      'a name of at most 256 bytes',
    ],
    [
      'an alignment of 3',
      writeGguf({ 'general.alignment': u32(3) }, []),
      'a power of two as general.alignment, got 3',
    ],
    ['an alignment of 0', writeGguf({ 'general.alignment': u32(0) }, []), 'general.alignment, got 0'],
    [
      'an alignment that is text',
      writeGguf({ 'general.alignment': text('32') }, []),
      'general.alignment, got "32"',
    ],
    [
      'a huge alignment',
      writeGguf({ 'general.alignment': { type: 'u64', value: 2n ** 63n } }, []),
      'general.alignment, got 9',
    ],
    ['a file cut in its header', writeGguf(everything, [norm]).slice(0, 400), 'file of 400 bytes'],
    ['a file cut in its data', writeGguf({}, [norm, quant]).slice(0, -40), 'to end within'],
  ];
  test.each(cases)('%s', async (_, bytes, message) => {
    const error = await errorOf(read(bytes));
    expect(error.code).toBe('bad_file');
    expect(error.message).toContain(message);
    expect(error.message).toMatch(/^file\.gguf: expected/);
  });

  test('big-endian files, old versions, lists of lists', async () => {
    const bigEndian = writeGguf({}, []);
    bigEndian.set([0, 0, 0, 3], 4);
    expect(await errorOf(read(bigEndian))).toMatchObject({ code: 'unsupported' });
    expect((await errorOf(read(bigEndian))).message).toContain('a big-endian one');
    const old = await errorOf(read(writeGguf({}, [], { version: 1 })));
    expect([old.code, old.message]).toEqual(['unsupported', expect.stringContaining('version 1')]);
    const nested = raw(0n, 1n, field('a', 9, number('u32', 9), number('u64', 1n)), new Uint8Array(100));
    expect(await errorOf(read(nested))).toMatchObject({ code: 'unsupported' });
  });

  test('a header that would take far more memory than the file has bytes', async () => {
    // 1.4 million texts of one letter: 13 MB in the file, 56 MB and more in memory.
    const tokens = { type: 'string' as const, value: Array<string>(1_400_000).fill('t') };
    const error = await errorOf(read(writeGguf({ tokens }, [])));
    expect(error.code).toBe('bad_file');
    expect(error.message).toContain('a header that fits');
  });

  test('an abort is an abort', async () => {
    const source = memorySource(writeGguf({}, []), 'f');
    expect(await errorOf(readGguf(source, AbortSignal.abort()))).toMatchObject({ code: 'aborted' });
  });
});

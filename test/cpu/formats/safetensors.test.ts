import { describe, expect, test } from 'vitest';
import { memorySource } from '../../../src/formats/byte_source.ts';
import { readSafetensors } from '../../../src/formats/safetensors.ts';
import { writeSafetensors } from '../../../src/formats/safetensors_writer.ts';
import type { TensorToWrite } from '../../../src/formats/safetensors_writer.ts';
import { readBytes } from '../../../src/formats/tensor_data.ts';
import { joined } from './memory_files.ts';
import { errorOf } from './typed_error.ts';

const A = { name: 'a', dtype: 'U8', shape: [3], data: Uint8Array.of(1, 2, 3) };
const B = { name: 'b', dtype: 'F32', shape: [2, 2], data: new Uint8Array(16).fill(7) };
const EMPTY = { name: 'empty', dtype: 'F16', shape: [0, 5], data: new Uint8Array(0) };
const SCALAR = { name: 'scalar', dtype: 'I64', shape: [], data: new Uint8Array(8).fill(9) };

/** A file with this header, as it stands, and so many bytes of data. */
function fileOf(header: string | Uint8Array, dataBytes = 0, claimed?: bigint): Uint8Array<ArrayBuffer> {
  const bytes = typeof header === 'string' ? new TextEncoder().encode(header) : header;
  const length = new Uint8Array(8);
  new DataView(length.buffer).setBigUint64(0, claimed ?? BigInt(bytes.length), true);
  return joined([length, bytes, new Uint8Array(dataBytes)]);
}

const read = (bytes: Uint8Array) => readSafetensors(memorySource(bytes, 'file.safetensors'));
const tensor = (dtype: string, shape: string, begin: number, end: number): string =>
  `{"dtype":"${dtype}","shape":${shape},"data_offsets":[${begin},${end}]}`;

describe('writing and reading', () => {
  test('gives back what was written', async () => {
    const bytes = joined(writeSafetensors([A, EMPTY, B, SCALAR], { made: 'here', ключ: 'значение' }));
    const { tensors, metadata } = await read(bytes);
    expect({ ...metadata }).toEqual({ made: 'here', ключ: 'значение' });
    expect(tensors.map(({ name }) => name)).toEqual(['scalar', 'b', 'empty', 'a']);
    for (const { name, dtype, shape, data } of [A, B, EMPTY, SCALAR]) {
      const entry = tensors.find((one) => one.name === name)!;
      expect([entry.dtype, entry.shape, entry.byteLength]).toEqual([dtype, shape, data.length]);
      expect((await readBytes(entry)).bytes).toEqual(data);
    }
  });

  test('numbers lie at multiples of their size', async () => {
    const { tensors } = await read(joined(writeSafetensors([A, B, SCALAR])));
    for (const { name, offset } of tensors) expect(offset % { a: 1, b: 4, scalar: 8 }[name]!).toBe(0);
  });

  test('no tensors, no metadata', async () => {
    const none: TensorToWrite[] = [];
    const { tensors, metadata } = await read(joined(writeSafetensors(none)));
    expect(tensors).toEqual([]);
    expect({ ...metadata }).toEqual({});
  });

  test('names that are properties of every object', async () => {
    const names = ['__proto__', 'constructor', 'toString', '12', 'data "quoted" \\ \n'];
    const bytes = joined(
      writeSafetensors(
        names.map((name) => ({ ...A, name })),
        { ['__proto__']: 'x' },
      ),
    );
    const { tensors } = await read(bytes);
    expect(tensors.map(({ name }) => name).toSorted()).toEqual(names.toSorted());
  });

  test('a writer refuses data of another length', () => {
    expect(() => writeSafetensors([{ ...A, shape: [4] }])).toThrow('a: expected 4 bytes, got 3');
  });
});

describe('types that are not read are listed', () => {
  test('F8_E4M3', async () => {
    const { tensors } = await read(fileOf(`{"w":${tensor('F8_E4M3', '[2,3]', 0, 6)}}`, 6));
    expect(tensors[0]).toMatchObject({ name: 'w', dtype: 'F8_E4M3', shape: [2, 3] });
    const error = await errorOf(readBytes(tensors[0]!));
    expect(error.code).toBe('unsupported');
    expect(error.message).toContain('w: expected one of F64, F32,');
  });

  test('a type nobody knows yet', async () => {
    const { tensors } = await read(fileOf(`{"w":${tensor('F3_X', '[100]', 0, 6)}}`, 6));
    expect(tensors[0]).toMatchObject({ dtype: 'F3_X', byteLength: 6 });
  });
});

describe('what is wrong is said', () => {
  const cases: readonly [string, Uint8Array, string][] = [
    ['nothing', new Uint8Array(0), 'at least 10 bytes, got 0'],
    ['a header longer than the file', fileOf('{}', 0, 3n), 'at most 2 bytes, got a length of 3'],
    ['a header of 2^63 bytes', fileOf('{}', 0, 2n ** 63n), 'got a length of 9223372036854775808'],
    ['a header above 25 MB', fileOf('{}', 25_000_002, 25_000_001n), 'at most 25000000 bytes'],
    ['a header that is not UTF-8', fileOf(Uint8Array.of(0x7b, 0xff, 0x7d)), 'a header in UTF-8'],
    ['a byte order mark', fileOf('\uFEFF{}'), 'begins with {'],
    ['a list', fileOf('[1,2]'), 'begins with {'],
    ['a space before the object', fileOf(' {}'), 'begins with {'],
    ['a control character', fileOf('{\u0000}'), 'a name in the header'],
    ['a comma too many', fileOf(`{"a":${tensor('U8', '[0]', 0, 0)},}`), 'a name in the header'],
    ['a closed header that goes on', fileOf('{}x'), 'the end of the header, got "x"'],
    ['a text as tensor', fileOf('{"a":"b"}'), 'an object of a'],
    ['metadata with lists', fileOf('{"__metadata__":{"a":[]}}'), 'texts in __metadata__'],
    ['half a tensor', fileOf('{"a":{"shape":[1]'), 'the fields of a, got the end of the header'],
    ['half of a header', fileOf('{"a":{"dtype":"U8","sha'), 'a closed string'],
    ['broken JSON', fileOf('{"a":}'), 'expected JSON in the header'],
    ['a header that goes on', fileOf('{} {}'), 'expected the end of the header'],
    ['a tensor that is a number', fileOf('{"a":3}'), 'expected an object of a, got "3}"'],
    [
      'no dtype',
      fileOf('{"a":{"shape":[1],"data_offsets":[0,1]}}', 1),
      'expected a dtype of a, got undefined',
    ],
    ["a type of ggml's", fileOf(`{"a":${tensor('Q8_0', '[32]', 0, 34)}}`, 34), 'expected a dtype of a'],
    ['a type of ours', fileOf(`{"a":${tensor('q8_0', '[32]', 0, 34)}}`, 34), 'expected a dtype of a'],
    ['a negative dimension', fileOf(`{"a":${tensor('U8', '[-1]', 0, 1)}}`, 1), 'a shape of a, got [-1]'],
    ['a fraction', fileOf(`{"a":${tensor('U8', '[0.5]', 0, 1)}}`, 1), 'a shape of a, got [0.5]'],
    ['a dimension that is text', fileOf(`{"a":${tensor('U8', '["1"]', 0, 1)}}`, 1), 'a shape of a'],
    ['a huge product', fileOf(`{"a":${tensor('U8', '[4294967296,4294967296]', 0, 1)}}`, 1), 'a shape of a'],
    [
      'a dimension above 2^53',
      fileOf(`{"a":${tensor('U8', '[9007199254740993]', 0, 1)}}`, 1),
      'a shape of a',
    ],
    [
      '20 dimensions',
      fileOf(`{"a":${tensor('U8', `[${Array(20).fill(1).join()}]`, 0, 1)}}`, 1),
      'a shape of a',
    ],
    ['one offset', fileOf('{"a":{"dtype":"U8","shape":[0],"data_offsets":[0]}}'), '[begin, end] of a'],
    [
      'offsets the wrong way',
      fileOf(`{"a":${tensor('U8', '[1]', 1, 0)}}`, 1),
      '[begin, end] of a, got [1,0]',
    ],
    [
      'a length that is not the shape',
      fileOf(`{"a":${tensor('F32', '[2]', 0, 7)}}`, 7),
      'expected 8 bytes of a',
    ],
    ['half bytes', fileOf(`{"a":${tensor('F4', '[3]', 0, 1)}}`, 1), 'expected 1.5 bytes of a'],
    [
      'a hole',
      fileOf(`{"a":${tensor('U8', '[1]', 0, 1)},"b":${tensor('U8', '[1]', 2, 3)}}`, 3),
      'b to begin at byte',
    ],
    [
      'an overlap',
      fileOf(`{"a":${tensor('U8', '[2]', 0, 2)},"b":${tensor('U8', '[2]', 1, 3)}}`, 3),
      'b to begin',
    ],
    ['a file cut short', fileOf(`{"a":${tensor('U8', '[5]', 0, 5)}}`, 4), 'expected a file of'],
    ['more than the header says', fileOf(`{"a":${tensor('U8', '[5]', 0, 5)}}`, 6), 'expected a file of'],
    [
      'a name twice',
      fileOf(`{"a":${tensor('U8', '[0]', 0, 0)},"a":${tensor('U8', '[0]', 0, 0)}}`),
      '"a" twice',
    ],
    [
      'a name twice, escaped',
      fileOf(`{"a":${tensor('U8', '[0]', 0, 0)},"\\u0061":${tensor('U8', '[0]', 0, 0)}}`),
      '"a" twice',
    ],
    [
      'a field twice',
      fileOf('{"a":{"dtype":"U8","dtype":"I8","shape":[0],"data_offsets":[0,0]}}'),
      'each field of a once, got one twice',
    ],
    ['metadata that is not text', fileOf('{"__metadata__":{"a":1}}'), 'text in __metadata__.a, got number'],
    ['metadata that is a list', fileOf('{"__metadata__":[]}'), 'an object of __metadata__, got'],
    [
      'objects without end',
      fileOf(`{"a":${'{"a":'.repeat(1000)}`),
      'the fields of a, got far more than they need',
    ],
    [
      'lists without end',
      fileOf(`{"a":${'['.repeat(300_000)}`),
      'the fields of a, got far more than they need',
    ],
    [
      'commas without end',
      fileOf(`{"a":[${'1,'.repeat(810_000)}1]}`),
      'the fields of a, got far more than they need',
    ],
    [
      'keys without end',
      fileOf(`{"__metadata__":{${Array.from({ length: 420_000 }, (_, i) => `"${i}":""`).join()}}}`),
      'the fields of __metadata__, got far more',
    ],
    [
      'a name of a megabyte',
      fileOf(`{"${'n'.repeat(2 ** 20)}":3}`),
      'names of at most 500 characters, got 1048576',
    ],
  ];
  test.each(cases)('%s', async (_, bytes, message) => {
    const error = await errorOf(read(bytes));
    expect(error.code).toBe('bad_file');
    expect(error.message).toContain(message);
    expect(error.message).toMatch(/^file\.safetensors: expected/);
    expect(error.message.length).toBeLessThan(500);
  });
});

test('an abort is an abort', async () => {
  const source = memorySource(joined(writeSafetensors([A])), 'f');
  expect(await errorOf(readSafetensors(source, AbortSignal.abort()))).toMatchObject({ code: 'aborted' });
});

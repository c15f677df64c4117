import { expect, test } from 'vitest';
import { readTokenRows } from '../../../src/formats/npy.ts';

/** A NumPy file by hand: magic, version 1.0, header, data. */
function npy(header: string, data: ArrayBufferView): Uint8Array<ArrayBuffer> {
  const text = new TextEncoder().encode(`${header}\n`);
  const bytes = new Uint8Array(10 + text.length + data.byteLength);
  bytes.set([0x93, 0x4e, 0x55, 0x4d, 0x50, 0x59, 1, 0, text.length & 255, text.length >> 8]);
  bytes.set(text, 10);
  bytes.set(new Uint8Array(data.buffer, data.byteOffset, data.byteLength), 10 + text.length);
  return bytes;
}

const header = (descr: string, shape: string, order = 'False'): string =>
  `{'descr': '${descr}', 'fortran_order': ${order}, 'shape': ${shape}, }`;

test('rows of ids, in every whole type', () => {
  const want = [Uint32Array.of(1, 2, 3), Uint32Array.of(4, 5, 60_000)];
  const ids = [1, 2, 3, 4, 5, 60_000];
  expect(readTokenRows(npy(header('<u2', '(2, 3)'), Uint16Array.from(ids)), 'a')).toEqual(want);
  expect(readTokenRows(npy(header('<i4', '(2, 3)'), Int32Array.from(ids)), 'a')).toEqual(want);
  expect(readTokenRows(npy(header('<i8', '(2, 3)'), BigInt64Array.from(ids.map(BigInt))), 'a')).toEqual(want);
});

test.each([
  ['other bytes', new Uint8Array(64)],
  ['floats', npy(header('<f4', '(1, 2)'), new Float32Array(2))],
  ['one dimension', npy(header('<u2', '(4,)'), new Uint16Array(4))],
  ['Fortran order', npy(header('<u2', '(2, 2)', 'True'), new Uint16Array(4))],
  ['too few bytes', npy(header('<u2', '(2, 3)'), new Uint16Array(5))],
  ['negative ids', npy(header('<i4', '(1, 1)'), Int32Array.of(-1))],
  ['a header that is cut', npy(header('<u2', '(1, 1)'), new Uint16Array(1)).slice(0, 12)],
])('%s: a typed error', (_, bytes) => {
  expect(() => readTokenRows(bytes, 'rows.npy')).toThrow(
    expect.objectContaining({ code: 'bad_file', message: expect.stringContaining('rows.npy') }),
  );
});

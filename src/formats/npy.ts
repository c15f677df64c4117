import { WebMlaError } from '../core/errors.ts';

const MAGIC = '\u0093NUMPY';
const READERS = {
  '<u2': (view: DataView, at: number) => view.getUint16(at, true),
  '<u4': (view: DataView, at: number) => view.getUint32(at, true),
  '<i4': (view: DataView, at: number) => view.getInt32(at, true),
  '<i8': (view: DataView, at: number) => Number(view.getBigInt64(at, true)),
} as const;

/**
 * Rows of token ids from a NumPy file: two dimensions of whole numbers, u2, u4, i4 or i8, in C order.
 * Format: numpy.org, "numpy.lib.format".
 * @throws WebMlaError `bad_file`
 */
export function readTokenRows(bytes: Uint8Array<ArrayBuffer>, name: string): Uint32Array<ArrayBuffer>[] {
  const bad = (expected: string, got: string): WebMlaError =>
    new WebMlaError('bad_file', `${name}: expected ${expected}, got ${got.slice(0, 80)}`);
  if (bytes.length < 12 || String.fromCharCode(...bytes.subarray(0, 6)) !== MAGIC) {
    throw bad('a NumPy file (.npy)', 'other bytes');
  }
  const view = new DataView(bytes.buffer, bytes.byteOffset, bytes.byteLength);
  const wide = (bytes[6] ?? 1) >= 2;
  const start = (wide ? 12 : 10) + (wide ? view.getUint32(8, true) : view.getUint16(8, true));
  if (start > bytes.length) throw bad('a whole header', `${bytes.length} bytes`);
  const header = new TextDecoder('latin1').decode(bytes.subarray(wide ? 12 : 10, start));
  const descr = /'descr':\s*'([^']*)'/.exec(header)?.[1] ?? '';
  const read = Object.entries(READERS).find(([dtype]) => dtype === descr)?.[1];
  if (!read) throw bad(`one of ${Object.keys(READERS).join(', ')}`, descr);
  if (!/'fortran_order':\s*False/.test(header)) throw bad('C order', 'Fortran order');
  const [, rowCount, columnCount] = /'shape':\s*\((\d+),\s*(\d+),?\s*\)/.exec(header) ?? [];
  const rows = Number(rowCount);
  const columns = Number(columnCount);
  const size = Number(descr.slice(2));
  if (!(rows > 0 && columns > 0)) throw bad('two dimensions', header);
  if (bytes.length - start < rows * columns * size) {
    throw bad(`${rows * columns * size} bytes of [${rows}, ${columns}]`, String(bytes.length - start));
  }
  return Array.from({ length: rows }, (_, row) =>
    Uint32Array.from({ length: columns }, (_unused, i) => {
      const id = read(view, start + (row * columns + i) * size);
      if (id < 0) throw bad('token ids', String(id));
      return id;
    }),
  );
}

import { WebMlaError } from '../../core/errors.ts';

/** A dense matrix of 64-bit numbers, row after row: [rows, cols]. */
export interface Matrix {
  readonly rows: number;
  readonly cols: number;
  readonly data: Float64Array<ArrayBuffer>;
}

export function zeros(rows: number, cols: number): Matrix {
  return { rows, cols, data: new Float64Array(rows * cols) };
}

/** `value(i, j)` at row i, column j. */
export function matrixOf(rows: number, cols: number, value: (i: number, j: number) => number): Matrix {
  const result = zeros(rows, cols);
  for (let i = 0; i < rows; i++) {
    for (let j = 0; j < cols; j++) result.data[i * cols + j] = value(i, j);
  }
  return result;
}

/** A copy of `values` as a matrix. */
export function matrixFrom(rows: number, cols: number, values: ArrayLike<number>): Matrix {
  if (values.length !== rows * cols) {
    throw new WebMlaError(
      'bad_tensor',
      `matrix: expected ${rows} x ${cols} values, got ${values.length}`,
      'The statistics or weights belong to another model.',
    );
  }
  return { rows, cols, data: Float64Array.from(values) };
}

export function identity(size: number): Matrix {
  const result = zeros(size, size);
  for (let i = 0; i < size; i++) result.data[i * size + i] = 1;
  return result;
}

/** Element (i, j). Outside of hot loops. */
export function entry({ cols, data }: Matrix, i: number, j: number): number {
  return data[i * cols + j] ?? Number.NaN;
}

export function transpose({ rows, cols, data }: Matrix): Matrix {
  const result = zeros(cols, rows);
  const tile = 32;
  for (let i0 = 0; i0 < rows; i0 += tile) {
    for (let j0 = 0; j0 < cols; j0 += tile) {
      const iEnd = Math.min(rows, i0 + tile);
      const jEnd = Math.min(cols, j0 + tile);
      for (let i = i0; i < iEnd; i++) {
        for (let j = j0; j < jEnd; j++) result.data[j * rows + i] = data[i * cols + j] ?? 0;
      }
    }
  }
  return result;
}

/** Rows [start, end). A view: nothing is copied. */
export function rowsOf({ cols, data }: Matrix, start: number, end: number): Matrix {
  return { rows: end - start, cols, data: data.subarray(start * cols, end * cols) };
}

/** Columns [start, end), copied. */
export function columnsOf({ rows, cols, data }: Matrix, start: number, end: number): Matrix {
  const result = zeros(rows, end - start);
  for (let i = 0; i < rows; i++) {
    result.data.set(data.subarray(i * cols + start, i * cols + end), i * (end - start));
  }
  return result;
}

/** One under the other. */
export function stackRows(...parts: readonly Matrix[]): Matrix {
  const result = zeros(
    parts.reduce((sum, { rows }) => sum + rows, 0),
    parts[0]?.cols ?? 0,
  );
  let offset = 0;
  for (const { data } of parts) {
    result.data.set(data, offset);
    offset += data.length;
  }
  return result;
}

/** Side by side. */
export function besideColumns(a: Matrix, b: Matrix): Matrix {
  const result = zeros(a.rows, a.cols + b.cols);
  for (let i = 0; i < a.rows; i++) {
    result.data.set(a.data.subarray(i * a.cols, (i + 1) * a.cols), i * result.cols);
    result.data.set(b.data.subarray(i * b.cols, (i + 1) * b.cols), i * result.cols + a.cols);
  }
  return result;
}

/** alpha a + beta b */
export function combine(alpha: number, a: Matrix, beta: number, b: Matrix): Matrix {
  return { ...a, data: a.data.map((value, i) => alpha * value + beta * (b.data[i] ?? 0)) };
}

/** diag(factors) a */
export function scaleRows(factors: ArrayLike<number>, { rows, cols, data }: Matrix): Matrix {
  return matrixOf(rows, cols, (i, j) => (factors[i] ?? 0) * (data[i * cols + j] ?? 0));
}

/** a diag(factors) */
export function scaleColumns({ rows, cols, data }: Matrix, factors: ArrayLike<number>): Matrix {
  return matrixOf(rows, cols, (i, j) => (data[i * cols + j] ?? 0) * (factors[j] ?? 0));
}

export function diagonal({ rows, cols, data }: Matrix): Float64Array<ArrayBuffer> {
  return Float64Array.from({ length: rows }, (_, i) => data[i * cols + i] ?? 0);
}

export function meanDiagonal(a: Matrix): number {
  return diagonal(a).reduce((sum, value) => sum + value, 0) / a.rows;
}

/** a + value I */
export function addDiagonal(a: Matrix, value: number): Matrix {
  const data = a.data.slice();
  for (let i = 0; i < a.rows; i++) data[i * a.cols + i] = (data[i * a.cols + i] ?? 0) + value;
  return { ...a, data };
}

/** Copies `part` into `into` with its corner at (row, column). */
export function place(into: Matrix, row: number, column: number, part: Matrix): void {
  for (let i = 0; i < part.rows; i++) {
    into.data.set(part.data.subarray(i * part.cols, (i + 1) * part.cols), (row + i) * into.cols + column);
  }
}

/** a x */
export function apply({ rows, cols, data }: Matrix, x: ArrayLike<number>): Float64Array<ArrayBuffer> {
  const result = new Float64Array(rows);
  for (let i = 0; i < rows; i++) {
    let sum = 0;
    for (let j = 0; j < cols; j++) sum += (data[i * cols + j] ?? 0) * (x[j] ?? 0);
    result[i] = sum;
  }
  return result;
}

/**
 * @param what for the message
 * @throws WebMlaError `bad_tensor` when a value is NaN or infinite
 */
export function checkFinite(what: string, values: ArrayLike<number>): void {
  for (let i = 0; i < values.length; i++) {
    if (Number.isFinite(values[i])) continue;
    throw new WebMlaError(
      'bad_tensor',
      `${what}: expected finite numbers, got ${values[i]} at element ${i}`,
      'The calibration overflowed or the weights are damaged. Convert again with other calibration text.',
      { index: i },
    );
  }
}

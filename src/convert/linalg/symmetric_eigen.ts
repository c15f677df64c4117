import { WebMlaError } from '../../core/errors.ts';
import { inverseIteration } from './inverse_iteration.ts';
import { checkFinite, identity, zeros } from './matrix.ts';
import type { Matrix } from './matrix.ts';
import { applyReflections, tridiagonalEigenvalues, tridiagonalize } from './tridiagonal.ts';
import type { Tridiagonal } from './tridiagonal.ts';

export interface Eigenpairs {
  /** All n of them, descending. */
  readonly values: Float64Array<ArrayBuffer>;
  /** Row i is the unit eigenvector of values[i]: [r, n]. */
  readonly vectors: Matrix;
}

/** Below this size, and for more than this part of all vectors, rotating all of them costs no more. */
const FEW = { size: 96, part: 0.75 };

/**
 * The r largest eigenpairs of a symmetric matrix: tridiagonalisation, QL with implicit shifts, and the way back for the r
 * vectors that were asked for. Vectors come of inverse iteration, or, where that fails its checks or would not pay, of QL's
 * rotations. Deterministic; nothing depends on gaps between eigenvalues, so that equal and zero ones (statistics of few
 * tokens) do no harm.
 * @throws WebMlaError `bad_tensor` for NaN or infinity
 */
export function topEigenpairs(symmetric: Matrix, r = symmetric.rows): Eigenpairs {
  checkSymmetric(symmetric, r);
  const n = symmetric.rows;
  const tridiagonal = tridiagonalize(symmetric);
  let found: Eigenpairs | null = null;
  if (n >= FEW.size && r <= FEW.part * n) {
    const values = tridiagonalEigenvalues(tridiagonal).toSorted((a, b) => b - a);
    const vectors = inverseIteration(tridiagonal, values.subarray(0, r));
    found = vectors && { values, vectors };
  }
  found ??= rotatedEigenpairs(tridiagonal, r);
  applyReflections(tridiagonal, found.vectors);
  return found;
}

/** Eigenpairs of T by turning all rows of an identity along with QL. */
function rotatedEigenpairs(tridiagonal: Tridiagonal, r: number): Eigenpairs {
  const n = tridiagonal.diagonal.length;
  const turned = identity(n);
  const rotations = new RotationQueue(turned);
  const unsorted = tridiagonalEigenvalues(tridiagonal, (i, c, s) => rotations.push(i, c, s));
  rotations.flush();
  const order = Array.from(unsorted.keys()).toSorted(
    (a, b) => (unsorted[b] ?? 0) - (unsorted[a] ?? 0) || a - b,
  );
  const vectors = zeros(r, n);
  order.slice(0, r).forEach((from, to) => {
    vectors.data.set(turned.data.subarray(from * n, (from + 1) * n), to * n);
  });
  return { values: Float64Array.from(order, (i) => unsorted[i] ?? 0), vectors };
}

/** All eigenvalues, descending: a fraction of the time that the vectors take. */
export function symmetricEigenvalues(symmetric: Matrix): Float64Array<ArrayBuffer> {
  checkSymmetric(symmetric, 0);
  return tridiagonalEigenvalues(tridiagonalize(symmetric)).toSorted((a, b) => b - a);
}

function checkSymmetric({ rows, cols, data }: Matrix, r: number): void {
  if (rows !== cols || r > rows)
    throw new WebMlaError('internal', `eigen: expected a square matrix and r <= ${rows}, got ${cols}, ${r}`);
  checkFinite('eigen decomposition', data);
}

/**
 * Rotations of neighbouring rows, saved up and then done on some columns at a time: those columns stay in the cache while
 * thousands of rotations pass over them.
 */
class RotationQueue {
  static readonly CAPACITY = 65_536;
  static readonly COLUMNS = 32;
  readonly #matrix: Matrix;
  readonly #rows = new Int32Array(RotationQueue.CAPACITY);
  readonly #cosines = new Float64Array(RotationQueue.CAPACITY);
  readonly #sines = new Float64Array(RotationQueue.CAPACITY);
  #count = 0;

  constructor(matrix: Matrix) {
    this.#matrix = matrix;
  }

  push(row: number, c: number, s: number): void {
    this.#rows[this.#count] = row;
    this.#cosines[this.#count] = c;
    this.#sines[this.#count] = s;
    if (++this.#count === RotationQueue.CAPACITY) this.flush();
  }

  flush(): void {
    const { cols } = this.#matrix;
    for (let from = 0; from < cols; from += RotationQueue.COLUMNS) {
      this.#turn(from, Math.min(cols, from + RotationQueue.COLUMNS));
    }
    this.#count = 0;
  }

  #turn(from: number, to: number): void {
    const { cols, data } = this.#matrix;
    const [rows, cosines, sines] = [this.#rows, this.#cosines, this.#sines];
    const width = to - from;
    for (let q = 0; q < this.#count; q++) {
      const c = cosines[q] ?? 1;
      const s = sines[q] ?? 0;
      const upper = (rows[q] ?? 0) * cols + from;
      const lower = upper + cols;
      for (let k = 0; k < width; k++) {
        const x = data[upper + k] ?? 0;
        const y = data[lower + k] ?? 0;
        data[upper + k] = c * x - s * y;
        data[lower + k] = s * x + c * y;
      }
    }
  }
}

import { WebMlaError } from '../../core/errors.ts';
import { checkFinite } from './matrix.ts';

/** Small complex matrices, row after row, as two real ones. */
export interface ComplexMatrix {
  readonly size: number;
  readonly re: Float64Array<ArrayBuffer>;
  readonly im: Float64Array<ArrayBuffer>;
}

export interface HermitianEigenpairs {
  /** Descending. */
  readonly values: Float64Array<ArrayBuffer>;
  /** Row i is the unit eigenvector of values[i], up to a phase. */
  readonly vectors: ComplexMatrix;
}

export function complexZeros(size: number): ComplexMatrix {
  return { size, re: new Float64Array(size * size), im: new Float64Array(size * size) };
}

const MOST_SWEEPS = 60;

/**
 * Eigenpairs of a Hermitian matrix by cyclic Jacobi rotations (Golub and Van Loan 8.5, made complex: the phase of the
 * element is taken out first). For some dozens of rows: one row per KV head, or per KV head and folded frequency. Real input
 * gives real vectors.
 * @throws WebMlaError `bad_tensor` for NaN or infinity
 */
export function hermitianEigen({ size: n, re, im }: ComplexMatrix): HermitianEigenpairs {
  checkFinite('eigen decomposition', re);
  checkFinite('eigen decomposition', im);
  const a: ComplexMatrix = { size: n, re: re.slice(), im: im.slice() };
  const v = complexZeros(n);
  for (let i = 0; i < n; i++) v.re[i * n + i] = 1;
  const norm = Math.sqrt(re.reduce((s, x) => s + x * x, 0) + im.reduce((s, x) => s + x * x, 0));
  const tiny = (Number.EPSILON * norm) / Math.max(1, n);
  for (let sweep = 0, turned = true; turned; sweep++) {
    if (sweep === MOST_SWEEPS) {
      throw new WebMlaError(
        'internal',
        `Hermitian eigenvalues of ${n} rows: expected to converge, got no end`,
      );
    }
    turned = false;
    for (let p = 0; p < n; p++) {
      for (let q = p + 1; q < n; q++) turned = eliminate(a, v, p, q, tiny) || turned;
    }
  }
  const unsorted = Float64Array.from({ length: n }, (_, i) => a.re[i * n + i] ?? 0);
  const order = Array.from(unsorted.keys()).toSorted(
    (i, j) => (unsorted[j] ?? 0) - (unsorted[i] ?? 0) || i - j,
  );
  const vectors = complexZeros(n);
  order.forEach((from, to) => {
    vectors.re.set(v.re.subarray(from * n, (from + 1) * n), to * n);
    vectors.im.set(v.im.subarray(from * n, (from + 1) * n), to * n);
  });
  return { values: Float64Array.from(order, (i) => unsorted[i] ?? 0), vectors };
}

/** One rotation that makes a[p, q] zero; rows of v turn along. @returns whether there was anything to do */
function eliminate(a: ComplexMatrix, v: ComplexMatrix, p: number, q: number, tiny: number): boolean {
  const n = a.size;
  const [x, y] = [a.re[p * n + q] ?? 0, a.im[p * n + q] ?? 0];
  const size = Math.hypot(x, y);
  if (size <= tiny) return false;
  const half = ((a.re[q * n + q] ?? 0) - (a.re[p * n + p] ?? 0)) / (2 * size);
  const t = (half < 0 ? -1 : 1) / (Math.abs(half) + Math.hypot(half, 1));
  const c = 1 / Math.hypot(t, 1);
  const s = t * c;
  // With e = a_pq / |a_pq|: columns (p, q) times [[c, s], [-s conj(e), c conj(e)]], rows with its adjoint.
  const [ex, ey] = [x / size, y / size];
  for (let k = 0; k < n; k++) turnPair(a, k * n + p, k * n + q, c, s, ex, -ey);
  for (let k = 0; k < n; k++) turnPair(a, p * n + k, q * n + k, c, s, ex, ey);
  for (let k = 0; k < n; k++) turnPair(v, p * n + k, q * n + k, c, s, ex, -ey);
  return true;
}

/** (x_i, x_j) <- (c x_i - s e x_j, s x_i + c e x_j) */
function turnPair(
  { re, im }: ComplexMatrix,
  i: number,
  j: number,
  c: number,
  s: number,
  ex: number,
  ey: number,
): void {
  const [a, b] = [re[i] ?? 0, im[i] ?? 0];
  const x = ex * (re[j] ?? 0) - ey * (im[j] ?? 0);
  const y = ex * (im[j] ?? 0) + ey * (re[j] ?? 0);
  re[i] = c * a - s * x;
  im[i] = c * b - s * y;
  re[j] = s * a + c * x;
  im[j] = s * b + c * y;
}

import { WebMlaError } from '../../core/errors.ts';
import type { Matrix } from './matrix.ts';

/** A = Q T Qᵀ with T tridiagonal and Q = H_0 H_1 ... of Householder reflections H_k = I - factor_k v_k v_kᵀ. */
export interface Tridiagonal {
  /** [n] */
  readonly diagonal: Float64Array<ArrayBuffer>;
  /** [n]; the last is 0 */
  readonly beside: Float64Array<ArrayBuffer>;
  /** [n]; 0: no reflection */
  readonly factors: Float64Array<ArrayBuffer>;
  /** Row k holds v_k, which is zero up to element k: [n, n] */
  readonly reflections: Matrix;
}

/**
 * Householder's tridiagonalisation of a symmetric matrix, 4/3 n³ operations (Golub and Van Loan, Matrix Computations,
 * algorithm 8.3.1). Only the lower triangle is read. The matrix is passed over once a step: the update of step k - 1 is done
 * while the product of step k is summed.
 */
export function tridiagonalize(symmetric: Matrix): Tridiagonal {
  const n = symmetric.rows;
  const a = symmetric.data.slice();
  const reflections = new Float64Array(n * n);
  const diagonal = new Float64Array(n);
  const beside = new Float64Array(n);
  const factors = new Float64Array(n);
  // A is to become A - v pᵀ - p vᵀ: `old` what is still to be done.
  let oldV = new Float64Array(n);
  let oldP = new Float64Array(n);
  let p = new Float64Array(n);
  for (let k = 0; k < n; k++) {
    const [vk, pk] = [oldV[k] ?? 0, oldP[k] ?? 0];
    diagonal[k] = (a[k * n + k] ?? 0) - 2 * vk * pk;
    if (k === n - 1) break;
    const v = reflections.subarray(k * n, (k + 1) * n);
    for (let i = k + 1; i < n; i++) v[i] = (a[i * n + k] ?? 0) - (oldV[i] ?? 0) * pk - (oldP[i] ?? 0) * vk;
    const { factor, kept } = reflection(v, k + 1);
    factors[k] = factor;
    beside[k] = kept;
    updateAndMultiply(a, n, k + 1, oldV, oldP, v, p);
    let dot = 0;
    for (let i = k + 1; i < n; i++) dot += (p[i] ?? 0) * (v[i] ?? 0);
    const shift = (factor * factor * dot) / 2;
    for (let i = k + 1; i < n; i++) p[i] = factor * (p[i] ?? 0) - shift * (v[i] ?? 0);
    oldV = v;
    [oldP, p] = [p, oldP];
  }
  return { diagonal, beside, factors, reflections: { rows: n, cols: n, data: reflections } };
}

/** Makes x[start ..] the v that reflects it onto its first axis; `kept` is what stands there afterwards. */
function reflection(x: Float64Array, start: number): { factor: number; kept: number } {
  let largest = 0;
  for (let i = start; i < x.length; i++) largest = Math.max(largest, Math.abs(x[i] ?? 0));
  let rest = 0;
  for (let i = start + 1; i < x.length; i++) rest += ((x[i] ?? 0) / largest) ** 2;
  const first = x[start] ?? 0;
  if (largest === 0 || rest === 0) {
    x.fill(0, start);
    return { factor: 0, kept: first };
  }
  const norm = largest * Math.sqrt((first / largest) ** 2 + rest);
  const kept = first > 0 ? -norm : norm;
  const pivot = first - kept;
  for (let i = start + 1; i < x.length; i++) x[i] = (x[i] ?? 0) / pivot;
  x[start] = 1;
  return { factor: -pivot / kept, kept };
}

/**
 * A -= w qᵀ + q wᵀ on the lower triangle of [start, n), then p = A v on it. Two rows at a time; each element is loaded once.
 */
function updateAndMultiply(
  a: Float64Array,
  n: number,
  start: number,
  w: Float64Array,
  q: Float64Array,
  v: Float64Array,
  p: Float64Array,
): void {
  p.fill(0, start);
  let i = start;
  for (; i + 1 < n; i += 2) {
    const row = i * n;
    const next = row + n;
    const [w0, q0, v0] = [w[i] ?? 0, q[i] ?? 0, v[i] ?? 0];
    const [w1, q1, v1] = [w[i + 1] ?? 0, q[i + 1] ?? 0, v[i + 1] ?? 0];
    let sum0 = 0;
    let sum1 = 0;
    for (let j = start; j < i; j++) {
      const wj = w[j] ?? 0;
      const qj = q[j] ?? 0;
      const vj = v[j] ?? 0;
      const a0 = (a[row + j] ?? 0) - w0 * qj - q0 * wj;
      const a1 = (a[next + j] ?? 0) - w1 * qj - q1 * wj;
      a[row + j] = a0;
      a[next + j] = a1;
      sum0 += a0 * vj;
      sum1 += a1 * vj;
      p[j] = (p[j] ?? 0) + a0 * v0 + a1 * v1;
    }
    // The corner of the two rows: (i, i), (i + 1, i), (i + 1, i + 1).
    const a00 = (a[row + i] ?? 0) - 2 * w0 * q0;
    const a10 = (a[next + i] ?? 0) - w1 * q0 - q1 * w0;
    const a11 = (a[next + i + 1] ?? 0) - 2 * w1 * q1;
    a[row + i] = a00;
    a[next + i] = a10;
    a[next + i + 1] = a11;
    p[i] = sum0 + a00 * v0 + a10 * v1;
    p[i + 1] = sum1 + a10 * v0 + a11 * v1;
  }
  if (i === n) return;
  const row = i * n;
  const [wi, qi, vi] = [w[i] ?? 0, q[i] ?? 0, v[i] ?? 0];
  let sum = 0;
  for (let j = start; j < i; j++) {
    const aij = (a[row + j] ?? 0) - wi * (q[j] ?? 0) - qi * (w[j] ?? 0);
    a[row + j] = aij;
    sum += aij * (v[j] ?? 0);
    p[j] = (p[j] ?? 0) + aij * vi;
  }
  const aii = (a[row + i] ?? 0) - 2 * wi * qi;
  a[row + i] = aii;
  p[i] = sum + aii * vi;
}

/** Rows x of `vectors` <- Q x: from the eigenvectors of T to those of A. Four at a time, so that Q is read less often. */
export function applyReflections(tridiagonal: Tridiagonal, vectors: Matrix): void {
  const n = vectors.cols;
  const width = 4;
  // Element (i, c) at 4 i + c.
  const x = new Float64Array(width * n);
  for (let row = 0; row < vectors.rows; row += width) {
    const count = Math.min(width, vectors.rows - row);
    for (let c = 0; c < count; c++) {
      for (let i = 0; i < n; i++) x[width * i + c] = vectors.data[(row + c) * n + i] ?? 0;
    }
    reflectFour(tridiagonal, x);
    for (let c = 0; c < count; c++) {
      for (let i = 0; i < n; i++) vectors.data[(row + c) * n + i] = x[width * i + c] ?? 0;
    }
  }
}

function reflectFour({ factors, reflections }: Tridiagonal, x: Float64Array): void {
  const n = factors.length;
  const v = reflections.data;
  for (let k = n - 2; k >= 0; k--) {
    const factor = factors[k] ?? 0;
    if (factor === 0) continue;
    const row = k * n;
    let d0 = 0;
    let d1 = 0;
    let d2 = 0;
    let d3 = 0;
    for (let i = k + 1; i < n; i++) {
      const vi = v[row + i] ?? 0;
      d0 += vi * (x[4 * i] ?? 0);
      d1 += vi * (x[4 * i + 1] ?? 0);
      d2 += vi * (x[4 * i + 2] ?? 0);
      d3 += vi * (x[4 * i + 3] ?? 0);
    }
    d0 *= factor;
    d1 *= factor;
    d2 *= factor;
    d3 *= factor;
    for (let i = k + 1; i < n; i++) {
      const vi = v[row + i] ?? 0;
      x[4 * i] = (x[4 * i] ?? 0) - d0 * vi;
      x[4 * i + 1] = (x[4 * i + 1] ?? 0) - d1 * vi;
      x[4 * i + 2] = (x[4 * i + 2] ?? 0) - d2 * vi;
      x[4 * i + 3] = (x[4 * i + 3] ?? 0) - d3 * vi;
    }
  }
}

/** Told of every rotation of rows i and i + 1: (x_i, x_i+1) <- (c x_i - s x_i+1, s x_i + c x_i+1). */
export type RotationSink = (i: number, c: number, s: number) => void;

const MOST_SWEEPS = 60;

/**
 * Eigenvalues of T by the QL method with implicit shifts (Golub and Van Loan 8.3.3; EISPACK's tql2), unsorted.
 * @param rotated gets the rotations that turn the rows of the identity into eigenvectors
 */
export function tridiagonalEigenvalues(
  { diagonal, beside }: Pick<Tridiagonal, 'diagonal' | 'beside'>,
  rotated: RotationSink = () => undefined,
): Float64Array<ArrayBuffer> {
  const n = diagonal.length;
  const d = diagonal.slice();
  const e = beside.slice();
  const norm = d.reduce((most, x, i) => Math.max(most, Math.abs(x) + Math.abs(e[i] ?? 0)), 0);
  // What the tridiagonalisation itself left as noise. Without it the zero eigenvalues of singular matrices never come to rest.
  const floor = Number.EPSILON * norm;
  const splitAfter = (l: number): number => {
    for (let m = l; m < n - 1; m++) {
      const near = Math.abs(d[m] ?? 0) + Math.abs(d[m + 1] ?? 0);
      if (Math.abs(e[m] ?? 0) <= Number.EPSILON * near + floor) return m;
    }
    return n - 1;
  };
  for (let l = 0; l < n; l++) {
    for (let sweep = 0; ; sweep++) {
      const m = splitAfter(l);
      if (m === l) break;
      if (sweep === MOST_SWEEPS)
        throw new WebMlaError('internal', `eigenvalue ${l} of ${n}: expected to converge, got no end`);
      qlSweep(d, e, l, m, rotated);
    }
  }
  return d;
}

/** One implicit QL step on the unreduced block [l, m]. */
function qlSweep(d: Float64Array, e: Float64Array, l: number, m: number, rotated: RotationSink): void {
  const el = e[l] ?? 0;
  const dl = d[l] ?? 0;
  const slope = ((d[l + 1] ?? 0) - dl) / (2 * el);
  const root = Math.hypot(slope, 1);
  let g = (d[m] ?? 0) - dl + el / (slope + (slope < 0 ? -root : root));
  let [s, c, p] = [1, 1, 0];
  for (let i = m - 1; i >= l; i--) {
    const f = s * (e[i] ?? 0);
    const b = c * (e[i] ?? 0);
    const r = Math.sqrt(f * f + g * g);
    e[i + 1] = r;
    if (r === 0) {
      d[i + 1] = (d[i + 1] ?? 0) - p;
      e[m] = 0;
      return;
    }
    s = f / r;
    c = g / r;
    g = (d[i + 1] ?? 0) - p;
    const turn = ((d[i] ?? 0) - g) * s + 2 * c * b;
    p = s * turn;
    d[i + 1] = g + p;
    g = c * turn - b;
    rotated(i, c, s);
  }
  d[l] = (d[l] ?? 0) - p;
  e[l] = g;
  e[m] = 0;
}

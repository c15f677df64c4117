import { uniform } from '../../core/rng.ts';
import { zeros } from './matrix.ts';
import type { Matrix } from './matrix.ts';
import type { Tridiagonal } from './tridiagonal.ts';

const MOST_ROUNDS = 6;
/** Residuals of this many roundings of the largest value count as none. */
const ROUNDINGS = 16;

/**
 * Unit eigenvectors of a tridiagonal matrix for its largest eigenvalues, by inverse iteration (Golub and Van Loan 8.2.2;
 * LAPACK's dstein). Each vector is held orthogonal to all before it, so that equal eigenvalues get different vectors.
 * @param values descending
 * @returns [values, n], or null when a vector does not come to rest
 */
export function inverseIteration(
  { diagonal, beside }: Pick<Tridiagonal, 'diagonal' | 'beside'>,
  values: Float64Array,
): Matrix | null {
  const n = diagonal.length;
  const norm = diagonal.reduce(
    (most, d, i) => Math.max(most, Math.abs(d) + Math.abs(beside[i] ?? 0) + Math.abs(beside[i - 1] ?? 0)),
    0,
  );
  if (norm === 0) return null;
  const rounding = Number.EPSILON * norm;
  const vectors = zeros(values.length, n);
  const solver = new ShiftedSolver(diagonal, beside, rounding);
  let above = Infinity;
  for (let at = 0; at < values.length; at++) {
    // Equal eigenvalues are moved apart by less than what they are known to.
    above = Math.min(values[at] ?? 0, above - rounding);
    solver.shift(above);
    const x = vectors.data.subarray(at * n, (at + 1) * n);
    for (let i = 0; i < n; i++) x[i] = uniform(0, at, i) - 0.5;
    let rested = false;
    for (let round = 0; round < MOST_ROUNDS; round++) {
      if (!normalize(x)) return null;
      solver.solve(x);
      if (!normalize(x)) return null;
      makeOrthogonal(vectors, at);
      if (!normalize(x)) return null;
      // One round more after the first that is good enough: it costs little and gains digits.
      if (rested) break;
      rested = residual(diagonal, beside, values[at] ?? 0, x) <= ROUNDINGS * rounding;
    }
    if (!rested || residual(diagonal, beside, values[at] ?? 0, x) > ROUNDINGS * rounding) return null;
  }
  return vectors;
}

/** (T - shift) x = b by elimination with row exchanges (LAPACK's dgttrf). */
class ShiftedSolver {
  readonly #diagonal: Float64Array;
  readonly #beside: Float64Array;
  readonly #tiny: number;
  /** Upper triangle: diagonal and the two beside it; what was eliminated with; whether rows were exchanged. */
  readonly #u0: Float64Array;
  readonly #u1: Float64Array;
  readonly #u2: Float64Array;
  readonly #factor: Float64Array;
  readonly #exchanged: Uint8Array;

  constructor(diagonal: Float64Array, beside: Float64Array, tiny: number) {
    const n = diagonal.length;
    this.#diagonal = diagonal;
    this.#beside = beside;
    this.#tiny = tiny;
    this.#u0 = new Float64Array(n);
    this.#u1 = new Float64Array(n);
    this.#u2 = new Float64Array(n);
    this.#factor = new Float64Array(n);
    this.#exchanged = new Uint8Array(n);
  }

  shift(value: number): void {
    const [u0, u1, u2] = [this.#u0, this.#u1, this.#u2];
    const n = u0.length;
    let d = (this.#diagonal[0] ?? 0) - value;
    let e = this.#beside[0] ?? 0;
    for (let i = 0; i + 1 < n; i++) {
      const below = this.#beside[i] ?? 0;
      const nextD = (this.#diagonal[i + 1] ?? 0) - value;
      const nextE = this.#beside[i + 1] ?? 0;
      const exchange = Math.abs(below) > Math.abs(d);
      this.#exchanged[i] = exchange ? 1 : 0;
      if (exchange) {
        const factor = d / below;
        [u0[i], u1[i], u2[i]] = [below, nextD, nextE];
        this.#factor[i] = factor;
        d = e - factor * nextD;
        e = -factor * nextE;
      } else {
        // A pivot of zero: the shift is an eigenvalue to the last bit.
        if (d === 0) d = this.#tiny;
        const factor = below / d;
        [u0[i], u1[i], u2[i]] = [d, e, 0];
        this.#factor[i] = factor;
        d = nextD - factor * e;
        e = nextE;
      }
    }
    u0[n - 1] = Math.abs(d) < this.#tiny ? this.#tiny : d;
  }

  solve(x: Float64Array): void {
    const n = x.length;
    for (let i = 0; i + 1 < n; i++) {
      const [own, next] = [x[i] ?? 0, x[i + 1] ?? 0];
      const factor = this.#factor[i] ?? 0;
      if (this.#exchanged[i] === 1) {
        x[i] = next;
        x[i + 1] = own - factor * next;
      } else x[i + 1] = next - factor * own;
    }
    for (let i = n - 1; i >= 0; i--) {
      // Past the end of the upper triangle stand zeros.
      const known = (this.#u1[i] ?? 0) * (x[i + 1] ?? 0) + (this.#u2[i] ?? 0) * (x[i + 2] ?? 0);
      x[i] = ((x[i] ?? 0) - known) / (this.#u0[i] ?? 1);
    }
  }
}

/** Row `at` less its part along the rows before it, twice: once leaves rounding of what was taken out. */
function makeOrthogonal({ cols: n, data }: Matrix, at: number): void {
  const own = at * n;
  for (let pass = 0; pass < 2; pass++) {
    for (let row = 0; row < own; row += n) {
      let dot = 0;
      for (let i = 0; i < n; i++) dot += (data[own + i] ?? 0) * (data[row + i] ?? 0);
      if (dot === 0) continue;
      for (let i = 0; i < n; i++) data[own + i] = (data[own + i] ?? 0) - dot * (data[row + i] ?? 0);
    }
  }
}

/** @returns whether there was anything to normalize, and it was finite */
function normalize(x: Float64Array): boolean {
  let largest = 0;
  for (let i = 0; i < x.length; i++) largest = Math.max(largest, Math.abs(x[i] ?? 0));
  if (!(largest > 0 && largest < Infinity)) return false;
  let sum = 0;
  for (let i = 0; i < x.length; i++) sum += ((x[i] ?? 0) / largest) ** 2;
  const factor = Math.sqrt(sum) * largest;
  for (let i = 0; i < x.length; i++) x[i] = (x[i] ?? 0) / factor;
  return true;
}

/** Largest element of T x - value x. */
function residual(diagonal: Float64Array, beside: Float64Array, value: number, x: Float64Array): number {
  let most = 0;
  for (let i = 0; i < x.length; i++) {
    const before = i > 0 ? (beside[i - 1] ?? 0) * (x[i - 1] ?? 0) : 0;
    const after = i + 1 < x.length ? (beside[i] ?? 0) * (x[i + 1] ?? 0) : 0;
    most = Math.max(most, Math.abs(((diagonal[i] ?? 0) - value) * (x[i] ?? 0) + before + after));
  }
  return most;
}

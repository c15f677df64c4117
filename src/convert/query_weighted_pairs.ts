import type { AttentionShape } from './attention_shape.ts';
import { hermitianEigen } from './linalg/hermitian_eigen.ts';
import type { ComplexMatrix } from './linalg/hermitian_eigen.ts';
import type { Matrix } from './linalg/matrix.ts';
import { keyCovariance } from './rope_pairs.ts';
import type { RopePair } from './rope_pairs.ts';

/** A pair that may be kept, and what it costs not to keep it. */
export interface PairCandidate extends RopePair {
  /** Logit error when it is not rotated: decides which are kept. */
  readonly error: number;
  /** The same with queries weighted by how far the output moves: predicts the output's error. */
  readonly outputError: number;
}

/** Σ over the heads of a group of E|q_f|²: [groups, frequencies]. @param queries [groups, head_dim, head_dim] */
export function queryEnergies(
  queries: Float64Array,
  { groups, head_dim, frequencies }: AttentionShape,
): Float64Array {
  return Float64Array.from({ length: groups * frequencies }, (_, at) => {
    const j = Math.floor(at / frequencies);
    const f = at % frequencies;
    const element = (i: number): number => queries[(j * head_dim + i) * head_dim + i] ?? 0;
    return element(f) + element(f + frequencies);
  });
}

/** Part of the mean query energy that is added to each, so that a head that asks nothing does no harm. */
const QUERY_DAMPING = 1e-3;

/**
 * Components of one frequency, or of neighbouring frequencies folded into one, strongest first: eigenvectors U of
 * W^(1/2) C W^(1/2), with C the covariance of keys and W the energies of queries; key = W^(1/2) U, query = W^(-1/2) U.
 * @param energies of queryEnergies, unweighted and spread-weighted
 */
export function pairsOfFrequency(
  second: Matrix,
  shape: AttentionShape,
  members: readonly number[],
  energies: { readonly plain: Float64Array; readonly spread: Float64Array },
  rotation: Float64Array,
): PairCandidate[] {
  const { groups, frequencies } = shape;
  const [frequency = 0] = members;
  const covariance = keyCovariance(second, shape, members);
  const size = covariance.size;
  const place = (a: number): number => (a % groups) * frequencies + (members[Math.floor(a / groups)] ?? 0);
  const weights = Float64Array.from({ length: size }, (_, a) => energies.plain[place(a)] ?? 0);
  const mean = weights.reduce((sum, w) => sum + w, 0) / size;
  const roots = weights.map((w) => Math.sqrt(w + QUERY_DAMPING * mean) || 1);
  const { vectors } = hermitianEigen(weighted(covariance, roots));
  return Array.from({ length: size }, (_, component) => {
    const u = {
      re: vectors.re.subarray(component * size, (component + 1) * size),
      im: vectors.im.subarray(component * size, (component + 1) * size),
    };
    const key = { re: u.re.map((x, a) => x * (roots[a] ?? 1)), im: u.im.map((y, a) => y * (roots[a] ?? 1)) };
    const query = {
      re: u.re.map((x, a) => x / (roots[a] ?? 1)),
      im: u.im.map((y, a) => y / (roots[a] ?? 1)),
    };
    const strength = energy(covariance, key.re, key.im);
    const lost = (asked: Float64Array): number => {
      let sum = 0;
      for (let a = 0; a < size; a++) {
        const at = 2 * place(a);
        const turned = (rotation[at] ?? 0) ** 2 + (rotation[at + 1] ?? 0) ** 2;
        const part = (query.re[a] ?? 0) ** 2 + (query.im[a] ?? 0) ** 2;
        sum += part * (asked[place(a)] ?? 0) * (1 - Math.min(1, turned));
      }
      return strength * sum;
    };
    return {
      frequency,
      component,
      members,
      key,
      query,
      error: lost(energies.plain),
      outputError: lost(energies.spread),
    };
  });
}

/** The P of largest error, by component and frequency. */
export function selectPairs(candidates: readonly PairCandidate[], count: number): PairCandidate[] {
  return candidates
    .toSorted((a, b) => b.error - a.error || a.component - b.component || a.frequency - b.frequency)
    .slice(0, count)
    .toSorted((a, b) => a.component - b.component || a.frequency - b.frequency);
}

/** diag(roots) c diag(roots) */
function weighted({ size, re, im }: ComplexMatrix, roots: Float64Array): ComplexMatrix {
  const factor = (at: number): number => (roots[Math.floor(at / size)] ?? 0) * (roots[at % size] ?? 0);
  return { size, re: re.map((x, at) => x * factor(at)), im: im.map((y, at) => y * factor(at)) };
}

/** aᴴ C a */
function energy({ size, re, im }: ComplexMatrix, x: Float64Array, y: Float64Array): number {
  let sum = 0;
  for (let a = 0; a < size; a++) {
    for (let b = 0; b < size; b++) {
      const at = a * size + b;
      const [ax, ay, bx, by] = [x[a] ?? 0, y[a] ?? 0, x[b] ?? 0, y[b] ?? 0];
      sum += (re[at] ?? 0) * (ax * bx + ay * by) - (im[at] ?? 0) * (ax * by - ay * bx);
    }
  }
  return sum;
}

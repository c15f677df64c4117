import type { LatentForm } from '../core/layers.ts';
import { spectrumOf } from './latent_maps.ts';
import type { LatentMaps, MethodOutcome } from './latent_maps.ts';
import { solvePositive } from './linalg/cholesky.ts';
import {
  addDiagonal,
  apply,
  besideColumns,
  combine,
  diagonal,
  meanDiagonal,
  place,
  rowsOf,
  scaleRows,
  stackRows,
  transpose,
  zeros,
} from './linalg/matrix.ts';
import type { Matrix } from './linalg/matrix.ts';
import {
  congruence,
  multiply,
  multiplySparse,
  multiplyTransposed,
  symmetricProduct,
} from './linalg/multiply.ts';
import { symmetricEigenvalues, topEigenpairs } from './linalg/symmetric_eigen.ts';
import { onKeys } from './output_metric.ts';
import type { PairCandidate } from './query_weighted_pairs.ts';
import { contentTarget, pairKeys, pairQueries } from './rope_pairs.ts';
import type { WebmlaProblem } from './webmla_problem.ts';

/**
 * Maps of a layer once its rope pairs are chosen (research/lab/README.md, steps 4 and 5). With T the content target on y,
 * Rr the rope keys on y, M the output metric and C the covariance of y:
 *
 *   strict  the best r-dimensional summary of M^(1/2) T y
 *   reuse   the same of what a regression on the rope keys leaves of it, B = T C Rrᵀ (Rr C Rrᵀ)^(-1)
 *   recon   the best R-dimensional summary of rope keys and content together, each in its own weight
 */

/** Part of the mean variance of rope keys that steadies the regression on them. */
const REGRESSION_DAMPING = 1e-6;

interface Targets {
  /** T [2gd, 2gd] */
  readonly content: Matrix;
  /** Rr [2P, 2gd] */
  readonly rope: Matrix;
  /** B [2gd, 2P]; zeros unless reuse */
  readonly regression: Matrix;
  /** Covariance of what the latent is asked for, in the metric. */
  readonly asked: Matrix;
}

function targets(problem: WebmlaProblem, pairs: readonly PairCandidate[], form: LatentForm): Targets {
  const { shape, covariance, metric, rotation } = problem;
  const full = 2 * shape.width;
  const content = onKeys(contentTarget(pairs, shape, rotation), full);
  const rope = zeros(2 * pairs.length, full);
  place(rope, 0, 0, pairKeys(pairs, shape));
  const seen = multiply(content, covariance);
  if (form === 'recon') {
    const weighted = stackRows(scaleRows(ropeWeights(problem, pairs), rope), multiply(metric.root, content));
    const asked = congruence(weighted, covariance);
    return { content, rope, regression: zeros(full, rope.rows), asked };
  }
  const left = symmetricProduct(content, seen);
  if (form === 'strict' || pairs.length === 0) {
    return { content, rope, regression: zeros(full, rope.rows), asked: congruence(metric.root, left) };
  }
  const ropeCovariance = congruence(rope, covariance);
  const across = multiplyTransposed(rope, seen);
  const solved = solveDamped(ropeCovariance, across);
  const regression = transpose(solved);
  // (T - B Rr) C (T - B Rr)ᵀ without a product of full width: B is thin.
  const half = combine(1, across, -0.5, multiply(ropeCovariance, solved));
  const residual = combine(1, left, -2, symmetricProduct(regression, transpose(half)));
  return { content, rope, regression, asked: congruence(metric.root, residual) };
}

/**
 * X of A X = B, steadied. Moments that one token dominates lose their variance to the rounding of f32 sums, and A is then not
 * quite positive: it is damped more, until it is.
 * @throws WebMlaError `bad_tensor` when as much as a tenth of the mean variance does not help
 */
function solveDamped(a: Matrix, b: Matrix): Matrix {
  const scale = meanDiagonal(a) || 1;
  for (let share = REGRESSION_DAMPING; ; share *= 10) {
    try {
      return solvePositive(addDiagonal(a, share * scale), b);
    } catch (error) {
      if (share >= 0.1) throw error;
    }
  }
}

/** Square roots of what an error of each rope pair costs: Σ_j |query_j|² E[a |q_jf|²] / 2d, [2P]. */
function ropeWeights({ shape, energies }: WebmlaProblem, pairs: readonly PairCandidate[]): Float64Array {
  const { groups, frequencies, head_dim } = shape;
  const weights = pairs.map(({ members, query }) =>
    members.reduce((sum, f, m) => {
      for (let j = 0; j < groups; j++) {
        const a = m * groups + j;
        const size = (query.re[a] ?? 0) ** 2 + (query.im[a] ?? 0) ** 2;
        sum += (size * (energies.spread[j * frequencies + f] ?? 0)) / (2 * head_dim);
      }
      return sum;
    }, 0),
  );
  // A pair that nobody asks for must not divide by zero.
  const least = 1e-12 * weights.reduce((most, w) => Math.max(most, w), Number.MIN_VALUE);
  return Float64Array.from([...weights, ...weights], (w) => Math.sqrt(Math.max(w, least)));
}

/** Output error of the pairs that are not rotated: step 6 of the lab. */
function unropedError({ shape, candidates }: WebmlaProblem, pairs: readonly PairCandidate[]): number {
  const kept = new Set(pairs.flatMap(({ members, component }) => members.map((f) => `${f} ${component}`)));
  const dropped = candidates.filter(({ frequency, component }) => !kept.has(`${frequency} ${component}`));
  return dropped.reduce((sum, { outputError }) => sum + outputError, 0) / (2 * shape.head_dim);
}

/**
 * Predicted squared output error at every rank without making the maps.
 * @returns error at c_kv of `rank` values
 */
export function predictedErrors(
  problem: WebmlaProblem,
  pairs: readonly PairCandidate[],
  form: LatentForm,
): (rank: number) => number {
  const values = symmetricEigenvalues(targets(problem, pairs, form).asked);
  const fixed = unropedError(problem, pairs);
  return (rank) => values.slice(rank).reduce((sum, value) => sum + Math.max(0, value), fixed);
}

/** @param rank values of c_kv */
export function webmlaMaps(
  problem: WebmlaProblem,
  pairs: readonly PairCandidate[],
  form: LatentForm,
  rank: number,
): MethodOutcome {
  const { shape, mean, metric, stored } = problem;
  const { content, rope, regression, asked } = targets(problem, pairs, form);
  const { values, vectors } = topEigenpairs(asked, rank);
  const spectrum = spectrumOf(values, rank);
  const ropeMean = apply(rope, mean);
  // Attended moments are those of the first token above all: no scale for the rest of a cache.
  const variance = diagonal(congruence(rope, stored.covariance));
  const shared = {
    form,
    groups: shape.groups,
    head_dim: shape.head_dim,
    kv_lora_rank: rank,
    pairs: Uint32Array.from(pairs, ({ frequency }) => frequency),
    ropeQuery: pairQueries(pairs, shape),
    ropeMean: apply(rope, stored.mean),
    ropeDeviation: variance.map((x) => Math.sqrt(Math.max(x, 1e-12))),
    storedMean: null,
  };
  const constant = apply(content, mean);
  const maps: LatentMaps =
    form === 'recon'
      ? {
          ...shared,
          ...reconMaps(problem, pairs, content, rope, vectors),
          valueConstant: constant.slice(shape.width),
        }
      : { ...shared, ...rowMaps(), ropeRebuild: null, ropeRebuildBias: new Float64Array(0) };
  return {
    maps,
    spectrum,
    predictedError: spectrum.dropped.reduce((sum, x) => sum + x, unropedError(problem, pairs)),
  };

  function rowMaps(): Pick<LatentMaps, 'down' | 'downBias' | 'keyUp' | 'valueUp' | 'valueConstant'> {
    const read = multiplySparse(vectors, metric.root);
    const down = combine(
      1,
      multiplySparse(read, content),
      -1,
      multiplySparse(multiply(read, regression), rope),
    );
    const up = multiplyTransposed(metric.inverse, vectors);
    const downBias = new Float64Array(rank + rope.rows);
    apply(down, mean).forEach((x, i) => (downBias[i] = -x));
    const repeated = apply(regression, ropeMean);
    return {
      down: stackRows(down, rope),
      downBias,
      ...ups(form === 'reuse' ? besideColumns(up, regression) : up, problem),
      valueConstant: constant.map((x, i) => x - (repeated[i] ?? 0)).slice(shape.width),
    };
  }
}

function reconMaps(
  problem: WebmlaProblem,
  pairs: readonly PairCandidate[],
  content: Matrix,
  rope: Matrix,
  vectors: Matrix,
): Pick<LatentMaps, 'down' | 'downBias' | 'keyUp' | 'valueUp' | 'ropeRebuild' | 'ropeRebuildBias'> {
  const { metric, mean } = problem;
  const weights = ropeWeights(problem, pairs);
  const weighted = stackRows(scaleRows(weights, rope), multiply(metric.root, content));
  const down = multiplySparse(vectors, weighted);
  const back = transpose(vectors);
  const ropeRebuild = scaleRows(
    weights.map((w) => 1 / w),
    rowsOf(back, 0, rope.rows),
  );
  return {
    down,
    downBias: apply(down, mean).map((x) => -x),
    ropeRebuild,
    ropeRebuildBias: apply(rope, mean),
    ...ups(multiply(metric.inverse, rowsOf(back, rope.rows, back.rows)), problem),
  };
}

/** Up map of y [2gd, v_dim] into those of keys, with the gain that rotation would have given, and of values. */
function ups(up: Matrix, { shape }: WebmlaProblem): Pick<LatentMaps, 'keyUp' | 'valueUp'> {
  const { width, ropeGain } = shape;
  const keys = rowsOf(up, 0, width);
  return {
    keyUp: { ...keys, data: keys.data.map((x) => ropeGain * x) },
    valueUp: rowsOf(up, width, 2 * width),
  };
}

import { checkStatistics } from './attention_shape.ts';
import type { AttentionShape } from './attention_shape.ts';
import { addDiagonal, checkFinite, matrixFrom, matrixOf, meanDiagonal } from './linalg/matrix.ts';
import type { Matrix } from './linalg/matrix.ts';
import type { Roots } from './linalg/matrix_roots.ts';
import { outputMetric } from './output_metric.ts';
import { pairsOfFrequency, queryEnergies } from './query_weighted_pairs.ts';
import type { PairCandidate } from './query_weighted_pairs.ts';
import type { LayerStatistics, Moments } from './statistics.ts';

/** How tokens count in the covariance of keys and values. */
export type TokenWeights = 'attended' | 'plain';

/** All that the conversion of a layer starts from, at every budget and in every form. */
export interface WebmlaProblem {
  readonly shape: AttentionShape;
  /** E[y], [2gd] */
  readonly mean: Float64Array;
  /** Uncentred E[y yᵀ], [2gd, 2gd]. */
  readonly second: Matrix;
  /** Covariance of y, [2gd, 2gd]. */
  readonly covariance: Matrix;
  /** Mean and covariance where every token counts the same: what a cache holds, and a quantised one is scaled by. */
  readonly stored: { readonly mean: Float64Array; readonly covariance: Matrix };
  readonly metric: Roots;
  readonly rotation: Float64Array;
  readonly energies: { readonly plain: Float64Array; readonly spread: Float64Array };
  /** Every component of every frequency: groups * head_dim / 2. */
  readonly candidates: readonly PairCandidate[];
}

/**
 * Part of the mean variance that every direction of y is taken to have besides, so that directions that the calibration never
 * saw come last, but before those that are zero by construction: full rank stays lossless after however few tokens.
 */
const UNSEEN = 1e-9;

/**
 * @param o_proj [hidden_size, heads * head_dim]
 * @throws WebMlaError `bad_tensor` for statistics that are not finite or of another model
 */
export function webmlaProblem(
  shape: AttentionShape,
  o_proj: Matrix,
  statistics: LayerStatistics,
  tokens: TokenWeights,
): WebmlaProblem {
  checkStatistics(shape, statistics);
  const { mean, second } = statistics[tokens];
  const { rotation } = statistics;
  checkFinite('statistics, mean', mean);
  checkFinite('statistics, second moments', second);
  checkFinite('statistics, queries', statistics.queries);
  checkFinite('statistics, spread queries', statistics.spreadQueries);
  checkFinite('statistics, rotation', rotation);
  checkFinite('o_proj', o_proj.data);
  const full = 2 * shape.width;
  // YaRN's gain of scores belongs to the queries here; keyUp takes it over in the end.
  const gain = shape.ropeGain ** 2;
  const queries = statistics.queries.map((x) => gain * x);
  const spreadQueries = statistics.spreadQueries.map((x) => gain * x);
  const moments = matrixFrom(full, full, second);
  const centred = centredMoments(statistics[tokens]);
  checkFinite('statistics, plain mean', statistics.plain.mean);
  checkFinite('statistics, plain second moments', statistics.plain.second);
  const energies = { plain: queryEnergies(queries, shape), spread: queryEnergies(spreadQueries, shape) };
  const frequencies = Array.from({ length: shape.frequencies }, (_, f) => f);
  return {
    shape,
    mean,
    second: moments,
    covariance: addDiagonal(centred, UNSEEN * meanDiagonal(moments)),
    stored: { mean: statistics.plain.mean, covariance: centredMoments(statistics.plain) },
    metric: outputMetric(shape, spreadQueries, o_proj),
    rotation,
    energies,
    candidates: frequencies.flatMap((f) => pairsOfFrequency(moments, shape, [f], energies, rotation)),
  };
}

function centredMoments({ mean, second }: Moments): Matrix {
  const full = mean.length;
  return matrixOf(full, full, (i, j) => (second[i * full + j] ?? 0) - (mean[i] ?? 0) * (mean[j] ?? 0));
}

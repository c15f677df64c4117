import { WebMlaError } from '../core/errors.ts';
import type { AttentionShape } from './attention_shape.ts';
import { spectrumOf } from './latent_maps.ts';
import type { MethodOutcome } from './latent_maps.ts';
import { hermitianEigen } from './linalg/hermitian_eigen.ts';
import { diagonal, matrixFrom, scaleColumns, scaleRows, transpose } from './linalg/matrix.ts';
import { congruence, multiply, multiplySparse } from './linalg/multiply.ts';
import { topEigenpairs } from './linalg/symmetric_eigen.ts';
import { onKeys } from './output_metric.ts';
import { latentRank, strictMaps } from './published_maps.ts';
import { contentTarget, keyCovariance } from './rope_pairs.ts';
import type { RopePair } from './rope_pairs.ts';
import type { LayerStatistics } from './statistics.ts';

/**
 * TransMLA (arXiv 2502.07864, version 3 on): RoRoPE mixes KV heads by real PCA per frequency, FreqFold takes neighbouring
 * frequencies for one, and keys without their rope pairs and values, balanced, get one PCA. The damping of its two covariances
 * by a multiple of the identity is left out: eigenvectors do not see it. The PCA is made of what flows through the model whose
 * layers have all lost their rope by then, where that was gathered (statistics.ropeRemoved).
 */
export interface TransmlaOptions {
  readonly method: 'transmla';
  /** Values cached per token, qk_rope_head_dim among them. */
  readonly row_dim: number;
  /** Even, at most groups * head_dim. */
  readonly qk_rope_head_dim: number;
  /**
   * Neighbouring frequencies that are taken for one. The original's 'auto' doubles it while perplexity falls, which needs a
   * model that runs: see freqFoldCandidates. 'auto' here is twice the smallest, which won on both models of research/lab.
   */
  readonly freqfold: number | 'auto';
}

/** The values of freqfold that a rope width allows, smallest first. */
export function freqFoldCandidates(
  { frequencies, groups }: Pick<AttentionShape, 'frequencies' | 'groups'>,
  qk_rope_head_dim: number,
): number[] {
  const pairs = qk_rope_head_dim / 2;
  return Array.from({ length: frequencies }, (_, i) => i + 1).filter((fold) => {
    const kept = (pairs * fold) / frequencies;
    return frequencies % fold === 0 && Number.isInteger(kept) && kept >= 1 && kept <= fold * groups;
  });
}

/** @throws WebMlaError `bad_request` for widths that do not fit the model */
export function convertTransmla(
  shape: AttentionShape,
  statistics: LayerStatistics,
  { row_dim, qk_rope_head_dim, freqfold }: TransmlaOptions,
): MethodOutcome {
  const rank = latentRank(shape, row_dim, qk_rope_head_dim);
  const allowed = freqFoldCandidates(shape, qk_rope_head_dim);
  const [smallest] = allowed;
  const wanted = freqfold === 'auto' ? 2 * (smallest ?? 0) : freqfold;
  const fold = freqfold === 'auto' && !allowed.includes(wanted) ? smallest : wanted;
  if (fold === undefined || !allowed.includes(fold)) {
    throw new WebMlaError(
      'bad_request',
      `freqfold: expected one of ${allowed.join(', ') || '(none)'} at qk_rope_head_dim ${qk_rope_head_dim}, got ${freqfold}`,
    );
  }
  const full = 2 * shape.width;
  const second = matrixFrom(full, full, statistics.plain.second);
  const pairs = rotatedComponents(second.data, shape, qk_rope_head_dim / 2, fold);
  const rest = onKeys(contentTarget(pairs, shape, null), full);
  const flowing = statistics.ropeRemoved ?? statistics.plain;
  const covariance = congruence(rest, matrixFrom(full, full, flowing.second));
  const balance = balancedScales(diagonal(covariance), shape.width);
  const { values, vectors } = topEigenpairs(scaleRows(balance, scaleColumns(covariance, balance)), rank);
  const down = multiplySparse(scaleColumns(vectors, balance), rest);
  const back = scaleRows(
    balance.map((s) => 1 / s),
    transpose(vectors),
  );
  return {
    maps: strictMaps(shape, pairs, down, multiply(rest, back), statistics.plain),
    spectrum: spectrumOf(values, rank),
    predictedError: null,
    outputEnergy: null,
  };
}

/** RoRoPE with FreqFold: the strongest real components of every window of `fold` frequencies. */
function rotatedComponents(
  second: Float64Array<ArrayBuffer>,
  shape: AttentionShape,
  count: number,
  fold: number,
): RopePair[] {
  const kept = (count * fold) / shape.frequencies;
  const full = 2 * shape.width;
  return Array.from({ length: shape.frequencies / fold }, (_, window) => {
    const members = Array.from({ length: fold }, (_unused, f) => window * fold + f);
    const { size, re } = keyCovariance({ rows: full, cols: full, data: second }, shape, members);
    const { vectors } = hermitianEigen({ size, re, im: new Float64Array(size * size) });
    return Array.from({ length: kept }, (_unused, component) => {
      const direction = {
        re: vectors.re.subarray(component * size, (component + 1) * size),
        im: new Float64Array(size),
      };
      const frequency = window * fold + Math.floor((component * fold) / kept);
      return { frequency, component, members, key: direction, query: direction };
    });
  }).flat();
}

/** Balanced KV: keys are divided by how much larger than values they are on the average. */
function balancedScales(variances: Float64Array, width: number): Float64Array {
  const mean = (values: Float64Array): number =>
    values.reduce((sum, x) => sum + Math.sqrt(Math.max(0, x)), 0) / width;
  const ratio = mean(variances.subarray(0, width)) / mean(variances.subarray(width));
  // Keys of which every pair is rotated leave nothing but rounding, which is not to be blown up.
  const scale = ratio > 1e-6 && Number.isFinite(ratio) ? 1 / ratio : 1;
  return variances.map((_, i) => (i < width ? scale : 1));
}

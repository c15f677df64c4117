import { WebMlaError } from '../core/errors.ts';
import type { GqaAttention } from '../core/layers.ts';
import type { AttentionShape } from './attention_shape.ts';
import { spectrumOf } from './latent_maps.ts';
import type { MethodOutcome } from './latent_maps.ts';
import { checkFinite, place, rowsOf, stackRows, transpose, zeros } from './linalg/matrix.ts';
import type { Matrix } from './linalg/matrix.ts';
import { multiply, multiplyTransposed, symmetrized } from './linalg/multiply.ts';
import { topEigenpairs } from './linalg/symmetric_eigen.ts';
import { weightOf } from './linear_weights.ts';
import { onKeys } from './output_metric.ts';
import { latentRank, strictMaps } from './published_maps.ts';
import { queryEnergies } from './query_weighted_pairs.ts';
import { contentTarget } from './rope_pairs.ts';
import type { RopePair } from './rope_pairs.ts';
import type { LayerStatistics } from './statistics.ts';

/**
 * MHA2MLA (arXiv 2502.14837): each KV head keeps rope on some of its own frequencies; what is left of the weights of keys and
 * values gets a singular value decomposition, together or apart. (Published with training afterwards, which is not done here.)
 */
export interface Mha2mlaOptions {
  readonly method: 'mha2mla';
  /** Values cached per token, 2 * groups * ropePairsPerHead of rope among them. */
  readonly row_dim: number;
  /** Frequencies that each KV head keeps rotated, at most head_dim / 2. */
  readonly ropePairsPerHead: number;
  /** high: the fastest; low: the slowest; uniform: evenly spread; 2-norm: the largest E|q|² E|k|² of the head. */
  readonly selection: 'high' | 'low' | 'uniform' | '2-norm';
  /** One decomposition of keys and values, or one of each with half the rank. */
  readonly svd: 'joint' | 'split';
}

/** @throws WebMlaError `bad_request` for widths that do not fit the model */
export function convertMha2mla(
  shape: AttentionShape,
  attention: GqaAttention,
  statistics: LayerStatistics,
  { row_dim, ropePairsPerHead, selection, svd }: Mha2mlaOptions,
): MethodOutcome {
  const { groups, frequencies, width } = shape;
  if (!Number.isInteger(ropePairsPerHead) || ropePairsPerHead < 1 || ropePairsPerHead > frequencies) {
    throw new WebMlaError(
      'bad_request',
      `ropePairsPerHead: expected 1 to ${frequencies}, got ${ropePairsPerHead}`,
    );
  }
  const rank = latentRank(shape, row_dim, 2 * groups * ropePairsPerHead);
  const energies = pairEnergies(shape, statistics);
  const pairs = Array.from({ length: groups }, (_, j) =>
    chosenFrequencies(
      selection,
      ropePairsPerHead,
      energies.subarray(j * frequencies, (j + 1) * frequencies),
    ).map((frequency) => ownPair(groups, j, frequency)),
  ).flat();
  const rest = onKeys(contentTarget(pairs, shape, null), 2 * width);
  const weights = multiply(rest, stackRows(weightOf(attention.k_proj), weightOf(attention.v_proj)));
  checkFinite('k_proj and v_proj', weights.data);
  const { values, vectors } =
    svd === 'joint'
      ? leftSingular(weights, rank)
      : apart(
          leftSingular(rowsOf(weights, 0, width), Math.floor(rank / 2)),
          leftSingular(rowsOf(weights, width, 2 * width), rank - Math.floor(rank / 2)),
        );
  return {
    maps: strictMaps(
      shape,
      pairs,
      multiply(vectors, rest),
      multiply(rest, transpose(vectors)),
      statistics.plain,
    ),
    spectrum: spectrumOf(values, rank),
    predictedError: null,
    outputEnergy: null,
  };
}

function chosenFrequencies(
  selection: Mha2mlaOptions['selection'],
  count: number,
  energies: Float64Array,
): number[] {
  const all = Array.from(energies.keys());
  switch (selection) {
    case 'high':
      return all.slice(0, count);
    case 'low':
      return all.slice(all.length - count);
    case 'uniform':
      return all.slice(0, count).map((i) => Math.floor((i * all.length) / count));
    case '2-norm':
      return all.toSorted((a, b) => (energies[b] ?? 0) - (energies[a] ?? 0) || a - b).slice(0, count);
  }
}

/** E|q_jf|² E|k_jf|², [groups, frequencies] */
function pairEnergies(shape: AttentionShape, { queries, plain }: LayerStatistics): Float64Array {
  const { groups, frequencies, head_dim, width } = shape;
  const key = (at: number): number => plain.second[at * 2 * width + at] ?? 0;
  const asked = queryEnergies(queries, shape);
  return Float64Array.from({ length: groups * frequencies }, (_, at) => {
    const own = Math.floor(at / frequencies) * head_dim + (at % frequencies);
    return (asked[at] ?? 0) * (key(own) + key(own + frequencies));
  });
}

function ownPair(groups: number, j: number, frequency: number): RopePair {
  const own = { re: new Float64Array(groups), im: new Float64Array(groups) };
  own.re[j] = 1;
  return { frequency, component: j, members: [frequency], key: own, query: own };
}

interface Directions {
  readonly values: Float64Array;
  /** [rank, rows of the weights] */
  readonly vectors: Matrix;
}

/** Left singular vectors, as eigenvectors of W Wᵀ; values are squared singular values. */
function leftSingular(weights: Matrix, rank: number): Directions {
  return topEigenpairs(symmetrized(multiplyTransposed(weights, weights)), rank);
}

/** Directions of keys and of values as directions of y; what is kept comes first. */
function apart(keys: Directions, values: Directions): Directions {
  const [k, v] = [keys.vectors, values.vectors];
  const vectors = zeros(k.rows + v.rows, k.cols + v.cols);
  place(vectors, 0, 0, k);
  place(vectors, k.rows, k.cols, v);
  const parts = [
    keys.values.subarray(0, k.rows),
    values.values.subarray(0, v.rows),
    keys.values.subarray(k.rows),
    values.values.subarray(v.rows),
  ];
  return { values: Float64Array.from(parts.flatMap((part) => Array.from(part))), vectors };
}

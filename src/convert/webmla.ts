import { WebMlaError } from '../core/errors.ts';
import type { LatentForm } from '../core/layers.ts';
import type { AttentionShape } from './attention_shape.ts';
import type { MethodOutcome } from './latent_maps.ts';
import { lowestPoint } from './lattice_search.ts';
import { pairsOfFrequency, selectPairs } from './query_weighted_pairs.ts';
import type { PairCandidate } from './query_weighted_pairs.ts';
import { predictedErrors, webmlaMaps } from './webmla_maps.ts';
import type { TokenWeights, WebmlaProblem } from './webmla_problem.ts';

/**
 * webmla's own conversion, without training (research/lab/README.md): heads mixed by complex maps weighted with the queries,
 * rope pairs chosen by the logit error of leaving them out at the distances that are really attended, everything else
 * summarised in the metric of the layer's output.
 */
export interface WebmlaOptions {
  readonly method: 'webmla';
  readonly form: LatentForm;
  /** Values cached per token. */
  readonly row_dim: number;
  /**
   * Rope pairs. By default those of the smallest predicted error (strict, reuse), half of head_dim in recon, which pays for
   * them in operations and not in bytes; when exportable all frequencies, folded to half the row at most.
   */
  readonly pairs?: number;
  /** Default 'attended': 13 % less KL on SmolLM2 than 'plain'. */
  readonly tokens?: TokenWeights;
  /**
   * strict only: as a DeepSeek checkpoint has it, one rotary table theta^(-2i / qk_rope_head_dim), the same in every layer.
   * `pairs` divides head_dim / 2; frequencies are folded with their neighbours where there are fewer pairs.
   */
  readonly exportable?: boolean;
}

/** @throws WebMlaError `bad_request` for a budget that the form cannot have */
export function convertWebmla(problem: WebmlaProblem, options: WebmlaOptions): MethodOutcome {
  const { shape } = problem;
  const { form, row_dim, exportable = false } = options;
  const widest = 2 * shape.width;
  if (!Number.isInteger(row_dim) || row_dim < 3 || row_dim > widest) {
    throw new WebMlaError(
      'bad_request',
      `row_dim: expected 3 to ${widest} values per token, got ${row_dim}`,
      `${widest} values are what the original model caches.`,
    );
  }
  if (exportable && form !== 'strict')
    throw new WebMlaError('bad_request', `exportable: expected the form strict, got ${form}`);
  const pairs = exportable
    ? tablePairs(problem, options.pairs ?? tableLength(shape, row_dim))
    : selectPairs(problem.candidates, options.pairs ?? defaultPairs(problem, form, row_dim));
  const rank = form === 'recon' ? row_dim : row_dim - 2 * pairs.length;
  const asked = options.pairs ?? pairs.length;
  if (rank < 1 || pairs.length < 1 || pairs.length !== asked) {
    throw new WebMlaError(
      'bad_request',
      `pairs: expected 1 to ${mostPairs(shape, form, row_dim)} rope pairs in ${row_dim} values, got ${asked}`,
    );
  }
  return webmlaMaps(problem, pairs, form, rank);
}

function mostPairs({ groups, frequencies }: AttentionShape, form: LatentForm, row_dim: number): number {
  const all = groups * frequencies;
  return form === 'recon' ? all : Math.min(all, Math.floor((row_dim - 1) / 2));
}

function defaultPairs(problem: WebmlaProblem, form: LatentForm, row_dim: number): number {
  return form === 'recon' ? problem.shape.frequencies : chooseRopePairs(problem, form, row_dim);
}

/** Number of rope pairs of least predicted error at a budget; a multiple of 4, as the kernels want it. */
export function chooseRopePairs(problem: WebmlaProblem, form: LatentForm, row_dim: number): number {
  const most = mostPairs(problem.shape, form, row_dim);
  const step = most >= 4 ? 4 : 1;
  const error = (at: number): number =>
    predictedErrors(problem, selectPairs(problem.candidates, step * at), form)(row_dim - 2 * step * at);
  return step * lowestPoint(Math.floor(most / step), error);
}

/** All frequencies, or folded until the rope key takes no more than half the row. */
function tableLength({ frequencies }: AttentionShape, row_dim: number): number {
  let pairs = frequencies;
  while (pairs % 2 === 0 && pairs > 4 && 4 * pairs > row_dim) pairs /= 2;
  return pairs;
}

/** The first component of every frequency, or of every window of neighbours, in the order of the rotary table. */
function tablePairs(problem: WebmlaProblem, count: number): PairCandidate[] {
  const { shape, second, energies, rotation } = problem;
  const fold = shape.frequencies / count;
  if (!Number.isInteger(fold)) {
    throw new WebMlaError(
      'bad_request',
      `pairs: expected a divisor of ${shape.frequencies} for an exportable layer, got ${count}`,
    );
  }
  return Array.from({ length: count }, (_, i) => {
    const members = Array.from({ length: fold }, (_unused, f) => i * fold + f);
    return pairsOfFrequency(second, shape, members, energies, rotation).slice(0, 1);
  }).flat();
}

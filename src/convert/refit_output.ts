import { WebMlaError } from '../core/errors.ts';
import { solvePositive } from './linalg/cholesky.ts';
import { columnsOf, entry, matrixFrom, matrixOf, transpose } from './linalg/matrix.ts';
import type { Matrix } from './linalg/matrix.ts';

/**
 * Moments of a converted layer's heads and of what o_proj should make of them, summed over calibration tokens: õ = [o ; 1]
 * with o the heads' outputs on the converted stream, t the original layer's o_proj output, bias and all, on the original stream.
 * Whether o has the values' constant in it makes no difference but in the ridge: the bias is free.
 */
export interface OutputMoments {
  /** n = heads * head_dim */
  readonly inputs: number;
  readonly hidden_size: number;
  /** Σ õ õᵀ, [n + 1, n + 1] */
  readonly inputMoments: Float64Array;
  /** Σ t õᵀ, [hidden_size, n + 1] */
  readonly crossMoments: Float64Array;
}

/** Part of the mean diagonal of Σ o oᵀ; the lab's best on both models. */
export const DEFAULT_RIDGE = 0.01;

/**
 * o_proj refitted by ridge regression towards its old value (research/lab/README.md, step 8):
 * [W b] = (Σ t õᵀ + [W_old 0] L) (Σ õ õᵀ + L)^(-1), L = diag(l, ..., l, 0), l = ridge * mean diagonal of Σ o oᵀ. The old bias
 * plays no part: nothing pulls at the new one.
 * Needs thousands of tokens: with few it does harm.
 * @param oldWeight [hidden_size, n]
 * @throws WebMlaError `bad_tensor` for sums that are not finite, or without tokens
 */
export function refitOutput(sums: OutputMoments, oldWeight: Matrix, ridge = DEFAULT_RIDGE): RefittedOutput {
  const { left, right } = refitEquations(sums, oldWeight, ridge);
  return refitted(solvePositive(left, right));
}

export interface RefittedOutput {
  readonly weight: Matrix;
  readonly bias: Float64Array<ArrayBuffer>;
}

/** The equations left X = right that refitOutput solves: columns of X, rows of [W b], do not depend on one another. */
export function refitEquations(
  sums: OutputMoments,
  oldWeight: Matrix,
  ridge = DEFAULT_RIDGE,
): { readonly left: Matrix; readonly right: Matrix } {
  const { inputs: n, hidden_size } = sums;
  if (oldWeight.rows !== hidden_size || oldWeight.cols !== n) {
    throw new WebMlaError(
      'bad_tensor',
      `o_proj: expected ${hidden_size} x ${n} as in the sums, got ${oldWeight.rows} x ${oldWeight.cols}`,
    );
  }
  const moments = matrixFrom(n + 1, n + 1, sums.inputMoments);
  const cross = matrixFrom(hidden_size, n + 1, sums.crossMoments);
  let trace = 0;
  for (let i = 0; i < n; i++) trace += moments.data[i * (n + 1) + i] ?? 0;
  const pull = (ridge * trace) / n;
  const left = matrixOf(n + 1, n + 1, (i, j) => entry(moments, i, j) + (i === j && i < n ? pull : 0));
  const right = matrixOf(
    n + 1,
    hidden_size,
    (i, j) => entry(cross, j, i) + (i < n ? pull * entry(oldWeight, j, i) : 0),
  );
  return { left, right };
}

/** @param solution of refitEquations, [n + 1, hidden_size] */
export function refitted(solution: Matrix): RefittedOutput {
  const both = transpose(solution);
  const n = solution.rows - 1;
  return { weight: columnsOf(both, 0, n), bias: columnsOf(both, n, n + 1).data };
}

import type { AttentionShape } from './attention_shape.ts';
import { columnsOf, matrixFrom, place, transpose, zeros } from './linalg/matrix.ts';
import type { Matrix } from './linalg/matrix.ts';
import { blockDiagonal, blockRoots } from './linalg/matrix_roots.ts';
import type { Roots } from './linalg/matrix_roots.ts';
import { multiply } from './linalg/multiply.ts';

/** Part of the mean diagonal that is added to the metrics of keys and of values. */
const METRIC_DAMPING = 1e-4;

/**
 * How an error of y = [k ; v] counts in the squared output of the layer: M, block-diagonal over groups, as M^(1/2), M^(-1/2).
 *  keys    E[a_h(t) q qᵀ] / head_dim summed over the heads of the group: the derivative of softmax makes of a logit error
 *          e the output error a_h(t) e², and a logit is q . k / head_dim^(1/2)
 *  values  W_O,hᵀ W_O,h summed over the heads of the group
 * Both are in the same units, so no balance of keys against values is left to choose (a factor of 4 either way costs 25 % KL).
 * @param spreadQueries [groups, head_dim, head_dim]
 * @param o_proj [hidden_size, heads * head_dim]
 */
export function outputMetric(shape: AttentionShape, spreadQueries: Float64Array, o_proj: Matrix): Roots {
  const { width, head_dim } = shape;
  const keys = blockRoots(
    matrixFrom(
      width,
      head_dim,
      spreadQueries.map((x) => x / head_dim),
    ),
    METRIC_DAMPING,
  );
  const values = blockRoots(valueMetric(shape, o_proj), METRIC_DAMPING);
  return {
    root: blockDiagonal(keys.root, values.root),
    inverse: blockDiagonal(keys.inverse, values.inverse),
  };
}

/** Σ W_O,hᵀ W_O,h over the heads of each group, one under the other: [groups * head_dim, head_dim]. */
function valueMetric({ heads, groups, head_dim, width }: AttentionShape, o_proj: Matrix): Matrix {
  const result = zeros(width, head_dim);
  for (let h = 0; h < heads; h++) {
    const own = columnsOf(o_proj, h * head_dim, (h + 1) * head_dim);
    const gram = multiply(transpose(own), own);
    const start = Math.floor((h * groups) / heads) * head_dim * head_dim;
    gram.data.forEach((value, i) => (result.data[start + i] = (result.data[start + i] ?? 0) + value));
  }
  return result;
}

/** `part` in the upper left corner of an identity: a map of keys as a map of y. */
export function onKeys(part: Matrix, rows: number): Matrix {
  const result = zeros(rows, rows);
  place(result, 0, 0, part);
  for (let i = part.rows; i < rows; i++) result.data[i * rows + i] = 1;
  return result;
}

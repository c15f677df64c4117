import { addDiagonal, matrixOf, meanDiagonal, place, rowsOf, scaleRows, transpose, zeros } from './matrix.ts';
import type { Matrix } from './matrix.ts';
import { multiply, symmetrized } from './multiply.ts';
import { topEigenpairs } from './symmetric_eigen.ts';

/** Eigenvalues are taken to be at least this part of the largest. */
const SMALLEST = 1e-14;

export interface Roots {
  readonly root: Matrix;
  readonly inverse: Matrix;
}

/**
 * M^(1/2) and M^(-1/2) of the positive semidefinite M + damping I.
 * @param damping absolute
 */
export function matrixRoots(m: Matrix, damping: number): Roots {
  const { values, vectors } = topEigenpairs(addDiagonal(symmetrized(m), damping));
  const least = SMALLEST * Math.max(values[0] ?? 0, Number.MIN_VALUE);
  const roots = values.map((value) => Math.sqrt(Math.max(value, least)));
  const back = transpose(vectors);
  return {
    root: symmetrized(multiply(back, scaleRows(roots, vectors))),
    inverse: symmetrized(
      multiply(
        back,
        scaleRows(
          roots.map((root) => 1 / root),
          vectors,
        ),
      ),
    ),
  };
}

/**
 * The same of a block-diagonal matrix, block by block.
 * @param blocks one under the other, [blocks * size, size]
 * @param damp part of the mean diagonal of all blocks that is added to each
 */
export function blockRoots(blocks: Matrix, damp: number): Roots {
  const size = blocks.cols;
  const count = blocks.rows / size;
  const parts = Array.from({ length: count }, (_, j) => rowsOf(blocks, j * size, (j + 1) * size));
  const damping = (damp * parts.reduce((sum, part) => sum + meanDiagonal(part), 0)) / count;
  const result: Roots = { root: zeros(blocks.rows, blocks.rows), inverse: zeros(blocks.rows, blocks.rows) };
  parts.forEach((part, j) => {
    const { root, inverse } = matrixRoots(part, damping);
    place(result.root, j * size, j * size, root);
    place(result.inverse, j * size, j * size, inverse);
  });
  return result;
}

/** diag(a, b) */
export function blockDiagonal(a: Matrix, b: Matrix): Matrix {
  const result = zeros(a.rows + b.rows, a.cols + b.cols);
  place(result, 0, 0, a);
  place(result, a.rows, a.cols, b);
  return result;
}

/** diag(factors) as a matrix. */
export function diagonalMatrix(factors: ArrayLike<number>): Matrix {
  return matrixOf(factors.length, factors.length, (i, j) => (i === j ? (factors[i] ?? 0) : 0));
}

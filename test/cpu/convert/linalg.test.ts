import { describe, expect, test } from 'vitest';
import { solveDamped, solvePositive } from '../../../src/convert/linalg/cholesky.ts';
import { hermitianEigen } from '../../../src/convert/linalg/hermitian_eigen.ts';
import type { ComplexMatrix } from '../../../src/convert/linalg/hermitian_eigen.ts';
import {
  addDiagonal,
  entry,
  identity,
  matrixFrom,
  matrixOf,
  transpose,
  zeros,
} from '../../../src/convert/linalg/matrix.ts';
import type { Matrix } from '../../../src/convert/linalg/matrix.ts';
import { blockDiagonal, blockRoots } from '../../../src/convert/linalg/matrix_roots.ts';
import {
  congruence,
  multiply,
  multiplyTransposed,
  symmetrized,
} from '../../../src/convert/linalg/multiply.ts';
import { randomOrthogonal } from '../../../src/convert/linalg/random_orthogonal.ts';
import { symmetricEigenvalues, topEigenpairs } from '../../../src/convert/linalg/symmetric_eigen.ts';
import { randomStream } from '../../../src/core/rng.ts';

function random(rows: number, cols: number, seed: number): Matrix {
  const next = randomStream(seed);
  return matrixOf(rows, cols, () => next() - 0.5);
}

function worst(a: Matrix, b: Matrix): number {
  expect([a.rows, a.cols]).toEqual([b.rows, b.cols]);
  return a.data.reduce((most, x, i) => Math.max(most, Math.abs(x - b.data[i]!)), 0);
}

test.each([
  [1, 1, 1],
  [3, 5, 2],
  [67, 130, 515],
  [2, 0, 3],
])('multiply %i x %i by %i columns is the sum of products', (n, k, m) => {
  const a = random(n, k, 1);
  const b = random(k, m, 2);
  // A sparse left side takes another way through the loops.
  for (let i = 0; i < a.data.length; i += 3) a.data[i] = 0;
  const want = matrixOf(n, m, (i, j) => {
    let sum = 0;
    for (let l = 0; l < k; l++) sum += entry(a, i, l) * entry(b, l, j);
    return sum;
  });
  expect(worst(multiply(a, b), want)).toBeLessThan(1e-13);
  expect(worst(transpose(multiplyTransposed(transpose(b), a)), want)).toBeLessThan(1e-13);
});

describe('eigenpairs of symmetric matrices', () => {
  const half = random(30, 60, 3);
  const cases: [string, Matrix][] = [
    ['1 x 1', matrixFrom(1, 1, [-3])],
    ['2 x 2', matrixFrom(2, 2, [0, 1, 1, 0])],
    ['zero', zeros(7, 7)],
    ['identity', identity(9)],
    ['indefinite', symmetrized(random(65, 65, 4))],
    ['half its rank', multiply(transpose(half), half)],
    ['two equal blocks', blockDiagonal(symmetrized(random(8, 8, 5)), symmetrized(random(8, 8, 5)))],
    ['nearly all of one size', addDiagonal(symmetrized(matrixOf(20, 20, (i, j) => 1e-13 * (i + j))), 1)],
    ['far apart', matrixOf(12, 12, (i, j) => 10 ** -(i + j))],
  ];
  test.each(cases)('%s: A V = V diag(values), V orthonormal, descending', (_, a) => {
    const scale = a.data.reduce((most, x) => Math.max(most, Math.abs(x)), 1e-300);
    const { values, vectors } = topEigenpairs(a);
    expect(worst(multiplyTransposed(vectors, vectors), identity(a.rows))).toBeLessThan(1e-12);
    const product = multiply(vectors, a);
    const want = matrixOf(a.rows, a.cols, (i, j) => values[i]! * entry(vectors, i, j));
    expect(worst(product, want)).toBeLessThan(1e-13 * scale * a.rows);
    expect(Array.from(values)).toEqual(Array.from(values).toSorted((x, y) => y - x));
    symmetricEigenvalues(a).forEach((value, i) =>
      expect(Math.abs(value - values[i]!)).toBeLessThan(1e-12 * scale),
    );
    const top = topEigenpairs(a, 1);
    expect(top.vectors.data).toEqual(vectors.data.subarray(0, a.cols));
  });

  test('NaN and infinity give the typed error', () => {
    for (const value of [Number.NaN, Infinity]) {
      const a = identity(4);
      a.data[6] = value;
      expect(() => topEigenpairs(a)).toThrow(expect.objectContaining({ code: 'bad_tensor' }));
      expect(() => symmetricEigenvalues(a)).toThrow(expect.objectContaining({ code: 'bad_tensor' }));
      expect(() => solvePositive(a, a)).toThrow(expect.objectContaining({ code: 'bad_tensor' }));
      const c: ComplexMatrix = { size: 4, re: identity(4).data, im: a.data };
      expect(() => hermitianEigen(c)).toThrow(expect.objectContaining({ code: 'bad_tensor' }));
    }
  });
});

test.each([1, 2, 3, 8, 24])('Hermitian %i x %i: A v = value v, vectors orthonormal', (n) => {
  const next = randomStream(n);
  const re = symmetrized(matrixOf(n, n, () => next() - 0.5)).data;
  const lower = matrixOf(n, n, () => next() - 0.5);
  const im = matrixOf(n, n, (i, j) => entry(lower, i, j) - entry(lower, j, i)).data;
  const { values, vectors } = hermitianEigen({ size: n, re, im });
  const at = (i: number, k: number): [number, number] => [vectors.re[i * n + k]!, vectors.im[i * n + k]!];
  for (let v = 0; v < n; v++) {
    for (let i = 0; i < n; i++) {
      let [x, y, dotX, dotY] = [0, 0, 0, 0];
      for (let k = 0; k < n; k++) {
        const [a, b] = at(v, k);
        x += re[i * n + k]! * a - im[i * n + k]! * b;
        y += re[i * n + k]! * b + im[i * n + k]! * a;
        const [c, d] = at(i, k);
        dotX += a * c + b * d;
        dotY += a * d - b * c;
      }
      expect(Math.hypot(x - values[v]! * at(v, i)[0], y - values[v]! * at(v, i)[1])).toBeLessThan(1e-13 * n);
      expect(Math.hypot(dotX - (i === v ? 1 : 0), dotY)).toBeLessThan(1e-13 * n);
    }
  }
  expect(Array.from(values)).toEqual(Array.from(values).toSorted((x, y) => y - x));
});

test('roots of block-diagonal matrices, damped by a part of the mean diagonal', () => {
  const [x, y] = [random(4, 4, 6), random(4, 4, 7)];
  const blocks = [multiplyTransposed(x, x), multiplyTransposed(y, y)];
  const stacked = matrixFrom(8, 4, [...blocks[0]!.data, ...blocks[1]!.data]);
  const whole = blockDiagonal(blocks[0]!, blocks[1]!);
  const trace = whole.data.reduce((sum, value, i) => sum + (i % 9 === 0 ? value : 0), 0);
  const { root, inverse } = blockRoots(stacked, 0.01);
  expect(worst(multiply(root, root), addDiagonal(whole, (0.01 * trace) / 8))).toBeLessThan(1e-13);
  expect(worst(multiply(root, inverse), identity(8))).toBeLessThan(1e-12);
});

test('linear systems', () => {
  const x = random(20, 20, 8);
  const a = addDiagonal(multiplyTransposed(x, x), 0.1);
  const b = random(20, 3, 9);
  expect(worst(multiply(a, solvePositive(a, b)), b)).toBeLessThan(1e-12);
  const indefinite = matrixFrom(2, 2, [1, 2, 2, 1]);
  expect(() => solvePositive(indefinite, zeros(2, 1))).toThrow(/positive definite/);
  // Positive definite but for rounding: damped as much as it takes, and no more.
  const rounded = matrixFrom(2, 2, [1, 1 + 5e-6, 1 + 5e-6, 1]);
  const right = matrixFrom(2, 1, [1, 2]);
  const steadied = solvePositive(addDiagonal(rounded, 1e-5), right);
  expect(worst(solveDamped(rounded, right, 1e-6), steadied)).toBeLessThan(1e-3);
  expect(() => solveDamped(indefinite, right, 1e-6)).toThrow(/positive definite/);
});

test('the random rotation is orthogonal, fixed by its seed, and not the identity', () => {
  const q = randomOrthogonal(33, 1);
  expect(worst(multiplyTransposed(q, q), identity(33))).toBeLessThan(1e-13);
  expect(q).toEqual(randomOrthogonal(33, 1));
  expect(worst(q, randomOrthogonal(33, 2))).toBeGreaterThan(0.1);
  expect(Math.max(...q.data.map(Math.abs))).toBeLessThan(0.8);
});

describe('many rows: a few vectors by inverse iteration', () => {
  const n = 128;
  const half = random(40, n, 20);
  const block = symmetrized(random(32, 32, 21));
  const cases: [string, Matrix][] = [
    ['random', symmetrized(random(n, n, 22))],
    ['odd size', symmetrized(random(n + 3, n + 3, 23))],
    ['zero', zeros(n, n)],
    ['identity', identity(n)],
    ['a third of its rank', multiply(transpose(half), half)],
    ['four equal blocks', blockDiagonal(blockDiagonal(block, block), blockDiagonal(block, block))],
    ['nearly all of one size', addDiagonal(symmetrized(matrixOf(n, n, (i, j) => 1e-13 * (i + j))), 1)],
    ['far apart', matrixOf(n, n, (i, j) => 10 ** -((i + j) / 4))],
    [
      'tridiagonal, nearly equal pairs',
      matrixOf(n, n, (i, j) => (i === j ? Math.abs(i - n / 2) : +(Math.abs(i - j) === 1))),
    ],
  ];
  test.each(cases)('%s', (_, a) => {
    const scale = a.data.reduce((most, x) => Math.max(most, Math.abs(x)), 1e-300);
    const r = 90;
    const { values, vectors } = topEigenpairs(a, r);
    expect(worst(multiplyTransposed(vectors, vectors), identity(r))).toBeLessThan(1e-13);
    const want = matrixOf(r, a.cols, (i, j) => values[i]! * entry(vectors, i, j));
    expect(worst(multiply(vectors, a), want)).toBeLessThan(1e-13 * scale * a.rows);
    const all = topEigenpairs(a);
    all.values.forEach((value, i) => expect(Math.abs(value - values[i]!)).toBeLessThan(1e-12 * scale));
    expect(topEigenpairs(a, r).vectors).toEqual(vectors);
  });
});

test('products with sparse rows, ranges and symmetric results', () => {
  const a = random(70, 61, 24);
  a.data.forEach((_, at) => {
    const [i, j] = [Math.floor(at / 61), at % 61];
    if (i < 20 ? j % 17 !== i % 17 : i < 44 && Math.abs(i - j) > 5) a.data[at] = 0;
  });
  const c = symmetrized(random(61, 61, 25));
  const dense = matrixOf(70, 70, (i, j) => {
    let sum = 0;
    for (let k = 0; k < 61; k++) {
      for (let l = 0; l < 61; l++) sum += entry(a, i, k) * entry(c, k, l) * entry(a, j, l);
    }
    return sum;
  });
  const got = congruence(a, c);
  expect(worst(got, dense)).toBeLessThan(1e-13);
  expect(transpose(got)).toEqual(got);
});

test.each([1, 4, 7, 66])('linear systems of %i rows', (n) => {
  const x = random(n, n, 26);
  const a = addDiagonal(multiplyTransposed(x, x), 0.1);
  for (const columns of [1, 5, 12]) {
    const b = random(n, columns, 27);
    expect(worst(multiply(a, solvePositive(a, b)), b)).toBeLessThan(1e-11);
  }
});

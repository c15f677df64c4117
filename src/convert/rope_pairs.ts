import { keyIndex } from './attention_shape.ts';
import type { AttentionShape } from './attention_shape.ts';
import { complexZeros } from './linalg/hermitian_eigen.ts';
import type { ComplexMatrix } from './linalg/hermitian_eigen.ts';
import { zeros } from './linalg/matrix.ts';
import type { Matrix } from './linalg/matrix.ts';

/**
 * A rope pair of the latent cache: a complex mixture over KV heads (and, when frequencies are folded, over neighbouring
 * frequencies). With k_jf = k_j[f] + i k_j[f + d/2] and members (f, j) in the order of `key`:
 *
 *   k_rope = Σ conj(key_fj) k_jf          q_rope of a head of group j = Σ_f conj(query_fj) q_hf
 *
 * so that the part of the key that the pair stands for is query_fj k_rope. Mixing heads of one frequency commutes with the
 * rotation, because that is a complex factor: exact for any rope scaling (RoRoPE of TransMLA, arXiv 2502.07864, has it real).
 */
export interface RopePair {
  /** Index of the frequency that the pair turns with. */
  readonly frequency: number;
  /** 0 for the strongest component of that frequency. */
  readonly component: number;
  /** Frequencies whose keys it holds; one, unless neighbours are folded. */
  readonly members: readonly number[];
  /** [members, groups] */
  readonly key: ComplexVector;
  readonly query: ComplexVector;
}

export interface ComplexVector {
  readonly re: Float64Array;
  readonly im: Float64Array;
}

/** Uncentred covariance E[k_a conj(k_b)] over a = (member, group): [members * groups] squared. */
export function keyCovariance(
  second: Matrix,
  shape: AttentionShape,
  members: readonly number[],
): ComplexMatrix {
  const { groups } = shape;
  const result = complexZeros(members.length * groups);
  const at = (part: number, a: number): number =>
    keyIndex(shape, a % groups, part, members[Math.floor(a / groups)] ?? 0);
  const value = (row: number, column: number): number => second.data[row * second.cols + column] ?? 0;
  for (let a = 0; a < result.size; a++) {
    for (let b = 0; b < result.size; b++) {
      const [re, im] = [at(0, a), at(1, a)];
      const [otherRe, otherIm] = [at(0, b), at(1, b)];
      result.re[a * result.size + b] = value(re, otherRe) + value(im, otherIm);
      result.im[a * result.size + b] = value(im, otherRe) - value(re, otherIm);
    }
  }
  return result;
}

/** k_rope of all pairs from all keys: [2P, g * head_dim], re of all pairs, then im of all. */
export function pairKeys(pairs: readonly RopePair[], shape: AttentionShape): Matrix {
  const rows = zeros(2 * pairs.length, shape.width);
  pairs.forEach(({ members, key }, p) => {
    members.forEach((f, m) => {
      for (let j = 0; j < shape.groups; j++) {
        writePair(
          rows,
          p,
          pairs.length,
          keyIndex(shape, j, 0, f),
          keyIndex(shape, j, 1, f),
          key,
          m * shape.groups + j,
        );
      }
    });
  });
  return rows;
}

/** q_rope of all pairs from a head's query, group after group: [g * 2P, head_dim]. */
export function pairQueries(pairs: readonly RopePair[], shape: AttentionShape): Matrix {
  const { groups, head_dim, frequencies } = shape;
  const rows = zeros(groups * 2 * pairs.length, head_dim);
  pairs.forEach(({ members, query }, p) => {
    members.forEach((f, m) => {
      for (let j = 0; j < groups; j++) {
        writePair(rows, j * 2 * pairs.length + p, pairs.length, f, f + frequencies, query, m * groups + j);
      }
    });
  });
  return rows;
}

/** Rows `row` (re) and `row + apart` (im) of conj(factor) x, x lying at columns re and im. */
function writePair(
  rows: Matrix,
  row: number,
  apart: number,
  re: number,
  im: number,
  factor: ComplexVector,
  at: number,
): void {
  const x = factor.re[at] ?? 0;
  const y = factor.im[at] ?? 0;
  rows.data[row * rows.cols + re] = x;
  rows.data[row * rows.cols + im] = y;
  rows.data[(row + apart) * rows.cols + im] = x;
  rows.data[(row + apart) * rows.cols + re] = -y;
}

/**
 * What content has to be of the keys: the whole key less what the pairs stand for, each under the rotation that is to be
 * expected of it, ρ_jf k_jf - Σ_pairs ρ_j,frequency query_fj k_rope.
 * @param rotation [groups, frequencies, (re, im)], or null for none (ρ = 1, as published methods have it)
 * @returns [g * head_dim, g * head_dim]
 */
export function contentTarget(
  pairs: readonly RopePair[],
  shape: AttentionShape,
  rotation: Float64Array | null,
): Matrix {
  const { groups, frequencies, width } = shape;
  const target = zeros(width, width);
  const expected = (j: number, f: number): readonly [number, number] => {
    const at = 2 * (j * frequencies + f);
    return rotation ? [rotation[at] ?? 0, rotation[at + 1] ?? 0] : [1, 0];
  };
  const add = (j: number, f: number, otherJ: number, otherF: number, x: number, y: number): void => {
    const [re, im] = [keyIndex(shape, j, 0, f) * width, keyIndex(shape, j, 1, f) * width];
    const [fromRe, fromIm] = [keyIndex(shape, otherJ, 0, otherF), keyIndex(shape, otherJ, 1, otherF)];
    target.data[re + fromRe] = (target.data[re + fromRe] ?? 0) + x;
    target.data[re + fromIm] = (target.data[re + fromIm] ?? 0) - y;
    target.data[im + fromRe] = (target.data[im + fromRe] ?? 0) + y;
    target.data[im + fromIm] = (target.data[im + fromIm] ?? 0) + x;
  };
  for (let j = 0; j < groups; j++) {
    for (let f = 0; f < frequencies; f++) add(j, f, j, f, ...expected(j, f));
  }
  for (const { frequency, members, key, query } of pairs) {
    for (let a = 0; a < members.length * groups; a++) {
      const [x, y] = expected(a % groups, frequency);
      const [bx, by] = [query.re[a] ?? 0, query.im[a] ?? 0];
      const [tx, ty] = [x * bx - y * by, x * by + y * bx];
      for (let b = 0; b < members.length * groups; b++) {
        const [ax, ay] = [key.re[b] ?? 0, key.im[b] ?? 0];
        const from = members[Math.floor(b / groups)] ?? 0;
        const to = members[Math.floor(a / groups)] ?? 0;
        add(a % groups, to, b % groups, from, -(tx * ax + ty * ay), -(ty * ax - tx * ay));
      }
    }
  }
  return target;
}

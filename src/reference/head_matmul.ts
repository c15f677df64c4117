import { at } from './at.ts';

/**
 * y[t, h, o] = Σ_i W[h / heads_per_group, o, i] x[t, h, i]
 * @param weight [groups, out_dim, in_dim]
 * @param x [tokens, num_heads, in_dim]
 * @returns [tokens, num_heads, out_dim]
 */
export function head_matmul(
  weight: Float32Array,
  x: Float32Array,
  dims: {
    readonly num_heads: number;
    readonly heads_per_group: number;
    readonly in_dim: number;
    readonly out_dim: number;
  },
): Float32Array {
  const { num_heads, heads_per_group, in_dim, out_dim } = dims;
  const rows = x.length / in_dim;
  const out = new Float32Array(rows * out_dim);
  for (let row = 0; row < rows; row++) {
    const group = Math.floor((row % num_heads) / heads_per_group);
    for (let o = 0; o < out_dim; o++) {
      let sum = 0;
      for (let i = 0; i < in_dim; i++)
        sum += at(weight, (group * out_dim + o) * in_dim + i) * at(x, row * in_dim + i);
      out[row * out_dim + o] = sum;
    }
  }
  return out;
}

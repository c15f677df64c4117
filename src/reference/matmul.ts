import { at } from './at.ts';

/**
 * Y[t, n] = Σ_k W[n, k] X[t, k] + bias[n]
 * @param weight [out_dim, in_dim]
 * @param x [tokens, in_dim]
 * @param bias [out_dim] or null
 * @returns [tokens, out_dim]
 */
export function matmul(
  weight: Float32Array,
  x: Float32Array,
  in_dim: number,
  bias: Float32Array | null = null,
): Float32Array {
  const out_dim = weight.length / in_dim;
  const tokens = x.length / in_dim;
  const out = new Float32Array(tokens * out_dim);
  for (let t = 0; t < tokens; t++) {
    for (let n = 0; n < out_dim; n++) {
      let sum = bias ? at(bias, n) : 0;
      for (let k = 0; k < in_dim; k++) sum += at(weight, n * in_dim + k) * at(x, t * in_dim + k);
      out[t * out_dim + n] = sum;
    }
  }
  return out;
}

/** What happens to a matrix product before it is written (shaders/parts/output_*.wgsl). */
export type Output = 'store' | 'residual' | 'swiglu';

/**
 * store: y; residual: into + y; swiglu: rows of y are gate_0, up_0, gate_1, up_1, ... and out_i = silu(gate_i) * up_i.
 * @param y [tokens, out_dim]
 * @param into what the output held before, [tokens, out_dim]; for residual only
 */
export function applyOutput(output: Output, y: Float32Array, into: Float32Array): Float32Array {
  switch (output) {
    case 'store':
      return y;
    case 'residual':
      return y.map((value, i) => value + at(into, i));
    case 'swiglu':
      return Float32Array.from({ length: y.length / 2 }, (_, i) => silu(at(y, 2 * i)) * at(y, 2 * i + 1));
  }
}

export function silu(x: number): number {
  return x / (1 + Math.exp(-x));
}

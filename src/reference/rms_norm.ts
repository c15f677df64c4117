import { at } from './at.ts';

/**
 * out[t] = x[t] * weight / sqrt(mean(x[t]²) + eps)
 * @param x [tokens, dim]
 * @param weight [dim]
 */
export function rms_norm(x: Float32Array, weight: Float32Array, rms_norm_eps: number): Float32Array {
  const dim = weight.length;
  const out = new Float32Array(x.length);
  for (let t = 0; t < x.length / dim; t++) {
    let squares = 0;
    for (let i = 0; i < dim; i++) squares += at(x, t * dim + i) ** 2;
    const scale = 1 / Math.sqrt(squares / dim + rms_norm_eps);
    for (let i = 0; i < dim; i++) out[t * dim + i] = at(x, t * dim + i) * scale * at(weight, i);
  }
  return out;
}

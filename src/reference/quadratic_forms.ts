import { at } from './at.ts';

/**
 * out[t, h] = x[t, h / share]ᵀ S_h x[t, h / share]
 * @param x [tokens, num_heads / share, dim]
 * @param forms [num_heads, dim, dim]
 * @returns [tokens, num_heads]
 */
export function quadratic_forms(
  x: ArrayLike<number>,
  forms: ArrayLike<number>,
  num_heads: number,
  share: number,
  dim: number,
): Float64Array {
  const vectors = num_heads / share;
  const tokens = x.length / (vectors * dim);
  return Float64Array.from({ length: tokens * num_heads }, (_, index) => {
    const h = index % num_heads;
    const base = (Math.floor(index / num_heads) * vectors + Math.floor(h / share)) * dim;
    let sum = 0;
    for (let i = 0; i < dim; i++) {
      for (let j = 0; j < dim; j++)
        sum += at(x, base + i) * at(forms, (h * dim + i) * dim + j) * at(x, base + j);
    }
    return sum;
  });
}

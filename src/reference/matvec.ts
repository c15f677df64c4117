import { matmul } from './matmul.ts';
import { rms_norm } from './rms_norm.ts';

/**
 * y[n] = Σ_k W[n, k] x'[k] + bias[n], x' = RMSNorm(x) or x
 * @param weight [out_dim, in_dim]
 * @param x [in_dim]
 * @param norm null: x as it is
 */
export function matvec(
  weight: Float32Array,
  x: Float32Array,
  bias: Float32Array | null,
  norm: { readonly weight: Float32Array; readonly rms_norm_eps: number } | null,
): Float32Array {
  return matmul(weight, norm ? rms_norm(x, norm.weight, norm.rms_norm_eps) : x, x.length, bias);
}

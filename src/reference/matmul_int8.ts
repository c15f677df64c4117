import { matmul } from './matmul.ts';
import { dequantiseRows } from './quantise_rows.ts';
import type { QuantisedRows } from './quantise_rows.ts';

/** matmul of what the rows hold after they were quantised. @param weight [out_dim, in_dim], in_dim padded to groups of 32 */
export function matmul_int8(
  weight: Float32Array,
  x: QuantisedRows,
  in_dim: number,
  bias: Float32Array | null = null,
): Float32Array {
  return matmul(weight, dequantiseRows(x), in_dim, bias);
}

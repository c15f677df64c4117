import type { AttentionDims } from '../../kernels/attention_partial.ts';
import type { RowForm } from '../../kernels/parts.ts';

/** What a form says of the kernel's dims. */
export type FormShape = Pick<
  AttentionDims,
  | 'row_dim'
  | 'split_dim'
  | 'staged_dim'
  | 'qk_offset'
  | 'qk_dim'
  | 'v_offset'
  | 'v_dim'
  | 'rope_offset'
  | 'rope_dim'
  | 'key_rope_offset'
> & { readonly row: RowForm };

/** [k | v], the whole head rotated. */
export function gqa(head_dim: number, row: 'plain' | 'rotate' = 'plain'): FormShape {
  return {
    row,
    row_dim: 2 * head_dim,
    split_dim: head_dim,
    staged_dim: 2 * head_dim,
    qk_offset: 0,
    qk_dim: head_dim,
    v_offset: head_dim,
    v_dim: head_dim,
    rope_offset: 0,
    rope_dim: head_dim,
    key_rope_offset: 0,
  };
}

/** [c_kv | k_pe rotated], scores read from qk_offset on. */
export function strict(rank: number, rope_dim: number, qk_offset: number): FormShape {
  return {
    row: 'plain',
    row_dim: rank + rope_dim,
    split_dim: rank,
    staged_dim: rank + rope_dim,
    qk_offset,
    qk_dim: rank + rope_dim - qk_offset,
    v_offset: 0,
    v_dim: rank,
    rope_offset: rank - qk_offset,
    rope_dim,
    key_rope_offset: rank,
  };
}

/** [c_kv | k_pe], staged with k_pe rotated behind it. */
export function reuse(rank: number, rope_dim: number): FormShape {
  const row_dim = rank + rope_dim;
  return {
    row: 'reuse',
    row_dim,
    split_dim: rank,
    staged_dim: row_dim + rope_dim,
    qk_offset: 0,
    qk_dim: row_dim + rope_dim,
    v_offset: 0,
    v_dim: row_dim,
    rope_offset: row_dim,
    rope_dim,
    key_rope_offset: rank,
  };
}

/** [c_kv], staged with the rebuilt rope key behind it. */
export function recon(rank: number, rope_dim: number): FormShape {
  return {
    row: 'recon',
    row_dim: rank,
    split_dim: rank,
    staged_dim: rank + rope_dim,
    qk_offset: 0,
    qk_dim: rank + rope_dim,
    v_offset: 0,
    v_dim: rank,
    rope_offset: rank,
    rope_dim,
    key_rope_offset: 0,
  };
}

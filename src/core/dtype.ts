/**
 * Data types of tensors in files, under the names that safetensors and ggml give them, and their block sizes.
 * A block is the smallest piece that can be read alone: one element for plain types, 32 or 256 for ggml's.
 */

/** Types that webmla reads. */
export type ReadableDtype =
  | 'F64'
  | 'F32'
  | 'F16'
  | 'BF16'
  | 'I64'
  | 'I32'
  | 'I16'
  | 'I8'
  | 'U64'
  | 'U32'
  | 'U16'
  | 'U8'
  | 'BOOL'
  | 'Q8_0'
  | 'Q4_0'
  | 'Q4_1'
  | 'Q5_0'
  | 'Q5_1'
  | 'Q4_K'
  | 'Q5_K'
  | 'Q6_K';

export interface BlockSize {
  /** Elements in a block. */
  readonly elements: number;
  /** Bytes of a block. */
  readonly bytes: number;
}

/** Sources: the safetensors format description; ggml-common.h of llama.cpp for the block layouts. */
export const BLOCK_SIZES: Readonly<Record<ReadableDtype, BlockSize>> = {
  F64: { elements: 1, bytes: 8 },
  F32: { elements: 1, bytes: 4 },
  F16: { elements: 1, bytes: 2 },
  BF16: { elements: 1, bytes: 2 },
  I64: { elements: 1, bytes: 8 },
  I32: { elements: 1, bytes: 4 },
  I16: { elements: 1, bytes: 2 },
  I8: { elements: 1, bytes: 1 },
  U64: { elements: 1, bytes: 8 },
  U32: { elements: 1, bytes: 4 },
  U16: { elements: 1, bytes: 2 },
  U8: { elements: 1, bytes: 1 },
  BOOL: { elements: 1, bytes: 1 },
  Q8_0: { elements: 32, bytes: 34 },
  Q4_0: { elements: 32, bytes: 18 },
  Q4_1: { elements: 32, bytes: 20 },
  Q5_0: { elements: 32, bytes: 22 },
  Q5_1: { elements: 32, bytes: 24 },
  Q4_K: { elements: 256, bytes: 144 },
  Q5_K: { elements: 256, bytes: 176 },
  Q6_K: { elements: 256, bytes: 210 },
};

export function isReadableDtype(dtype: string): dtype is ReadableDtype {
  return Object.hasOwn(BLOCK_SIZES, dtype);
}

/** Elements of a shape; [] is a scalar and counts one. Exact below 2^53. */
export function elementCount(shape: readonly number[]): number {
  return shape.reduce((product, dim) => product * dim, 1);
}

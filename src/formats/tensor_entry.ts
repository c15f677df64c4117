import type { ByteSource } from './byte_source.ts';

/** A piece of a source. */
export interface ByteRange {
  readonly source: ByteSource;
  /** From the beginning of the source. */
  readonly offset: number;
  readonly byteLength: number;
}

/**
 * The rows of the file are not in the order of Hugging Face. `llama_cpp_rope`: within each of `heads` equal heads of
 * D rows, file row 2i + a is HF row a * D/2 + i (llama.cpp, convert_hf_to_gguf.py, LlamaModel.permute).
 */
export interface RowOrder {
  readonly kind: 'llama_cpp_rope';
  readonly heads: number;
}

/** Where a tensor lies and what it is; the numbers are read on demand by tensor_data.ts. */
export interface TensorEntry extends ByteRange {
  /** Name in the file. */
  readonly name: string;
  /** 'F32', 'BF16', 'Q4_K', ...: the file's own name of the type; 'q4_1', ... for webmla's packed weights. */
  readonly dtype: string;
  /** Outermost dimension first, as in Hugging Face: [rows, cols] for a matrix. */
  readonly shape: readonly number[];
  readonly rowOrder?: RowOrder;
  /** Packed weights only: f16 scales, while the range of the entry itself holds the quants (core/packed.ts). */
  readonly scales?: ByteRange;
}

/**
 * @returns for each row in HF order the row of the file that holds it, or null when both orders are the same
 */
export function rowGather(entry: Pick<TensorEntry, 'shape' | 'rowOrder'>): Uint32Array | null {
  if (!entry.rowOrder) return null;
  const rows = entry.shape[0] ?? 0;
  const headRows = rows / entry.rowOrder.heads;
  const half = headRows / 2;
  return Uint32Array.from({ length: rows }, (_, row) => {
    const within = row % headRows;
    const pair = within % half;
    return row - within + 2 * pair + (within < half ? 0 : 1);
  });
}

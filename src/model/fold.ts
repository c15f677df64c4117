import { latentShape } from '../core/layers.ts';
import type { FoldableMla, Linear } from '../core/layers.ts';
import { GROUP, GROUP_BYTES, GROUP_SCALES, groupsOf, unpack } from '../core/packed.ts';
import type { PackedTensor, WeightFormat } from '../core/packed.ts';
import { quantize } from '../core/quantize.ts';

/** What a GPU could read in the time that a dispatch costs: 7 microseconds at 75 GB/s, and more on faster ones. */
const DISPATCH_BYTES = 2 ** 19;
/** Of quantised factors. */
const PRODUCT = 'q8_0';

/**
 * Multiplies embed_q into q_proj and unembed_out into o_proj, each where reading the product takes no longer than reading
 * both factors and the dispatch between them (ADR 0019). That is so while qk_dim (v_dim) is about head_dim.
 * Quantised factors are multiplied where the latent is narrower than keys and values were and nobody expects the model itself: the
 * product is rounded a second time, to q8_0, by little beside what its factors were.
 * @param target what the four matrices are to be quantised to, once they are multiplied or not; null: they stay as they are
 */
export function foldProjections(
  attention: FoldableMla,
  heads: number,
  target: WeightFormat | null,
): FoldableMla {
  const { groups, embed_q, unembed_out, q_proj, o_proj, kv_a_proj } = attention;
  const narrow = latentShape(attention).row_dim < 2 * groups * (embed_q?.cols ?? 0);
  const beside = target ?? kv_a_proj.pieces[0]?.format ?? null;
  const queryFormat = productFormat(q_proj, narrow, beside);
  const outputFormat = productFormat(o_proj, narrow, target);
  const q = embed_q && queryFormat && foldedQuery(q_proj, embed_q, groups, heads, queryFormat, target);
  const o =
    unembed_out && outputFormat && foldedOutput(o_proj, unembed_out, groups, heads, outputFormat, target);
  return {
    ...attention,
    q_proj: q ?? inFormat(q_proj, target),
    // Of the format of the queries it is one matrix with them.
    kv_a_proj: inFormat(kv_a_proj, q && isQuantised(q_proj) ? PRODUCT : null),
    embed_q: q ? null : embed_q && packed(embed_q, target),
    o_proj: o ?? inFormat(o_proj, target),
    unembed_out: o ? null : unembed_out && packed(unembed_out, target),
  };
}

const isQuantised = ({ pieces }: Linear): boolean => pieces.some(({ format }) => GROUP_SCALES[format] > 0);

const inFormat = ({ pieces, bias }: Linear, format: WeightFormat | null): Linear => ({
  pieces: pieces.map((piece) => packed(piece, format)),
  bias,
});

function packed(tensor: PackedTensor, format: WeightFormat | null): PackedTensor {
  if (!format || tensor.format === format) return tensor;
  return quantize(unpack(tensor), tensor.rows, tensor.cols, format);
}

/** The format of a product; null: its factors stay apart. @param wanted to be quantised to, or beside what it will lie */
function productFormat(linear: Linear, narrow: boolean, wanted: WeightFormat | null): WeightFormat | null {
  if (isQuantised(linear)) return narrow ? PRODUCT : null;
  const formats = linear.pieces.map(({ format }) => format);
  // Beside a kv_a_proj of the same format it is one matrix, and one dispatch.
  if (wanted && wanted !== 'bf16') return wanted;
  return formats.includes('f32') ? 'f32' : 'f16';
}

/** Widths that decide. `width` is qk_dim for queries, v_dim for outputs. */
export interface FoldShape {
  readonly hidden: number;
  readonly heads: number;
  readonly head_dim: number;
  readonly groups: number;
  readonly width: number;
}

/** Whether [heads * width, hidden] is cheaper than `apart` bytes of factors and so many dispatches. */
export function queryFolds(
  { hidden, heads, width }: FoldShape,
  format: WeightFormat,
  apart: number,
  dispatches = 1,
): boolean {
  return bytesOf(heads * width, hidden, format) <= apart + dispatches * DISPATCH_BYTES;
}

/** The same of [hidden, heads * width]. */
export function outputFolds(
  { hidden, heads, width }: FoldShape,
  format: WeightFormat,
  apart: number,
): boolean {
  // Whole groups only: what lies behind a row of attention's output belongs to another layer.
  return (heads * width) % GROUP === 0 && bytesOf(hidden, heads * width, format) <= apart + DISPATCH_BYTES;
}

/** Bytes of [heads * head_dim, hidden] and [groups * width, head_dim]; for outputs of their transposes. */
export function factorBytes(
  { hidden, heads, head_dim, groups, width }: FoldShape,
  of: 'queries' | 'outputs',
  format: WeightFormat,
): number {
  return of === 'queries'
    ? bytesOf(heads * head_dim, hidden, format) + bytesOf(groups * width, head_dim, format)
    : bytesOf(hidden, heads * head_dim, format) + bytesOf(groups * head_dim, width, format);
}

/** Of both factors, as they are or will be quantised. */
function apartBytes({ pieces }: Linear, matrix: PackedTensor, target: WeightFormat | null): number {
  return [...pieces, matrix].reduce(
    (sum, { rows, cols, format }) => sum + bytesOf(rows, cols, target ?? format),
    0,
  );
}

function bytesOf(rows: number, cols: number, format: WeightFormat): number {
  return rows * groupsOf(cols) * (GROUP_BYTES[format] + 2 * GROUP_SCALES[format]);
}

/** [heads * qk_dim, hidden_size]: row (h, o) is Σ_i embed_q[group of h, o, i] q_proj[h, i]; null: not worth it. */
function foldedQuery(
  q_proj: Linear,
  embed_q: PackedTensor,
  groups: number,
  heads: number,
  format: WeightFormat,
  target: WeightFormat | null,
): Linear | null {
  const hidden = q_proj.pieces[0]?.cols ?? 0;
  const qk_dim = embed_q.rows / groups;
  const rows = heads * qk_dim;
  const head_dim = embed_q.cols;
  const shape = { hidden, heads, head_dim, groups, width: qk_dim };
  // kv_a_proj, of another format than quantised queries, then needs none of its own either.
  const dispatches = isQuantised(q_proj) ? 2 : 1;
  if (!queryFolds(shape, format, apartBytes(q_proj, embed_q, target), dispatches)) return null;
  const embed = unpack(embed_q);
  const q = stacked(q_proj);
  const product = new Float32Array(rows * hidden);
  const bias = q_proj.bias && new Float32Array(rows);
  const sums = new Float64Array(hidden);
  for (let row = 0; row < rows; row++) {
    const head = Math.floor(row / qk_dim);
    const from = (Math.floor((head * groups) / heads) * qk_dim + (row % qk_dim)) * head_dim;
    const factors = embed.subarray(from, from + head_dim);
    weighRows(factors, q, head * head_dim * hidden, sums);
    product.set(sums, row * hidden);
    factors.forEach((factor, i) => {
      if (bias) bias[row] = (bias[row] ?? 0) + factor * (q_proj.bias?.[head * head_dim + i] ?? 0);
    });
  }
  return { pieces: [quantize(product, rows, hidden, format)], bias };
}

/** [hidden_size, heads * v_dim]: column (h, j) is Σ_i o_proj[h, i] unembed_out[group of h, i, j]; null: not worth it. */
function foldedOutput(
  o_proj: Linear,
  unembed_out: PackedTensor,
  groups: number,
  heads: number,
  format: WeightFormat,
  target: WeightFormat | null,
): Linear | null {
  const hidden = o_proj.pieces.reduce((sum, { rows }) => sum + rows, 0);
  const head_dim = unembed_out.rows / groups;
  const v_dim = unembed_out.cols;
  const cols = heads * v_dim;
  const shape = { hidden, heads, head_dim, groups, width: v_dim };
  if (!outputFolds(shape, format, apartBytes(o_proj, unembed_out, target))) return null;
  const unembed = unpack(unembed_out);
  const o = stacked(o_proj);
  const product = new Float32Array(hidden * cols);
  const sums = new Float64Array(v_dim);
  for (let row = 0; row < hidden; row++) {
    for (let head = 0; head < heads; head++) {
      const group = Math.floor((head * groups) / heads);
      const from = (row * heads + head) * head_dim;
      weighRows(o.subarray(from, from + head_dim), unembed, group * head_dim * v_dim, sums);
      product.set(sums, row * cols + head * v_dim);
    }
  }
  return { pieces: [quantize(product, hidden, cols, format)], bias: o_proj.bias };
}

/** sums = Σ_i factors[i] of the rows of a matrix that begin at `from`; two at a time, which is half as fast again. */
function weighRows(factors: Float32Array, matrix: Float32Array, from: number, sums: Float64Array): void {
  const width = sums.length;
  sums.fill(0);
  for (let i = 0; i < factors.length; i += 2) {
    const [a = 0, b = 0] = factors.subarray(i);
    const at = from + i * width;
    for (let k = 0; k < width; k++) {
      sums[k] = (sums[k] ?? 0) + a * (matrix[at + k] ?? 0) + b * (matrix[at + width + k] ?? 0);
    }
  }
}

/** All rows as f32. */
function stacked({ pieces }: Linear): Float32Array {
  const [first] = pieces;
  if (first && pieces.length === 1) return unpack(first);
  const parts = pieces.map(unpack);
  const all = new Float32Array(parts.reduce((sum, part) => sum + part.length, 0));
  let at = 0;
  for (const part of parts) {
    all.set(part, at);
    at += part.length;
  }
  return all;
}

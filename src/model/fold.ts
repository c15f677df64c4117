import type { FoldableMla, Linear } from '../core/layers.ts';
import { GROUP, GROUP_BYTES, GROUP_SCALES, groupsOf, unpack } from '../core/packed.ts';
import type { PackedTensor, WeightFormat } from '../core/packed.ts';
import { quantize } from '../core/quantize.ts';

/** What a GPU could read while it waits between two dispatches: 5 microseconds at 50 GB/s, and more on faster ones. */
const DISPATCH_BYTES = 2 ** 18;

/**
 * Multiplies embed_q into q_proj and unembed_out into o_proj, each where reading the product takes no longer than reading
 * both factors and one more dispatch (ADR 0019). That is so while qk_dim (v_dim) is about head_dim.
 * Quantised weights stay apart: a product of rounded matrices would be rounded a second time.
 * @param target what the four matrices are to be quantised to, once they are multiplied or not; null: they stay as they are
 */
export function foldProjections(
  attention: FoldableMla,
  heads: number,
  target: WeightFormat | null,
): FoldableMla {
  const { groups, embed_q, unembed_out, q_proj, o_proj, kv_a_proj } = attention;
  const q = embed_q && foldedQuery(q_proj, embed_q, groups, heads, target ?? kv_a_proj.pieces[0]?.format);
  const o = unembed_out && foldedOutput(o_proj, unembed_out, groups, heads, target);
  const matrix = (tensor: PackedTensor): PackedTensor =>
    target && tensor.format !== target ? quantize(unpack(tensor), tensor.rows, tensor.cols, target) : tensor;
  const linear = ({ pieces, bias }: Linear): Linear => ({ pieces: pieces.map(matrix), bias });
  return {
    ...attention,
    q_proj: q ?? linear(q_proj),
    embed_q: q ? null : embed_q && matrix(embed_q),
    o_proj: o ?? linear(o_proj),
    unembed_out: o ? null : unembed_out && matrix(unembed_out),
  };
}

/** The format of a product; null: its factors were rounded already. @param wanted to be quantised to, or beside what it will lie */
function productFormat(linear: Linear, wanted?: WeightFormat | null): WeightFormat | null {
  const formats = linear.pieces.map(({ format }) => format);
  if (!formats.every((format) => format === 'f32' || format === 'f16' || format === 'bf16')) return null;
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

/** Whether [heads * width, hidden] is cheaper than [heads * head_dim, hidden] and [groups * width, head_dim]. */
export function queryFolds(
  { hidden, heads, head_dim, groups, width }: FoldShape,
  format: WeightFormat,
): boolean {
  const apart = bytesOf(heads * head_dim, hidden, format) + bytesOf(groups * width, head_dim, format);
  return bytesOf(heads * width, hidden, format) <= apart + DISPATCH_BYTES;
}

/** The same of [hidden, heads * width] against [hidden, heads * head_dim] and [groups * head_dim, width]. */
export function outputFolds(
  { hidden, heads, head_dim, groups, width }: FoldShape,
  format: WeightFormat,
): boolean {
  // Whole groups only: what lies behind a row of attention's output belongs to another layer.
  if ((heads * width) % GROUP !== 0) return false;
  const apart = bytesOf(hidden, heads * head_dim, format) + bytesOf(groups * head_dim, width, format);
  return bytesOf(hidden, heads * width, format) <= apart + DISPATCH_BYTES;
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
  beside: WeightFormat | undefined,
): Linear | null {
  const format = productFormat(q_proj, beside);
  const hidden = q_proj.pieces[0]?.cols ?? 0;
  const qk_dim = embed_q.rows / groups;
  const rows = heads * qk_dim;
  const head_dim = embed_q.cols;
  if (!format || !queryFolds({ hidden, heads, head_dim, groups, width: qk_dim }, format)) return null;
  const embed = unpack(embed_q);
  const q = stacked(q_proj);
  const product = new Float32Array(rows * hidden);
  const bias = q_proj.bias && new Float32Array(rows);
  const sums = new Float64Array(hidden);
  for (let row = 0; row < rows; row++) {
    const head = Math.floor(row / qk_dim);
    const from = (Math.floor((head * groups) / heads) * qk_dim + (row % qk_dim)) * head_dim;
    sums.fill(0);
    for (let i = 0; i < head_dim; i++) {
      const factor = embed[from + i] ?? 0;
      const at = (head * head_dim + i) * hidden;
      if (factor !== 0) for (let k = 0; k < hidden; k++) sums[k] = (sums[k] ?? 0) + factor * (q[at + k] ?? 0);
      if (bias) bias[row] = (bias[row] ?? 0) + factor * (q_proj.bias?.[head * head_dim + i] ?? 0);
    }
    product.set(sums, row * hidden);
  }
  return { pieces: [quantize(product, rows, hidden, format)], bias };
}

/** [hidden_size, heads * v_dim]: column (h, j) is Σ_i o_proj[h, i] unembed_out[group of h, i, j]; null: not worth it. */
function foldedOutput(
  o_proj: Linear,
  unembed_out: PackedTensor,
  groups: number,
  heads: number,
  target: WeightFormat | null,
): Linear | null {
  const format = productFormat(o_proj, target);
  const hidden = o_proj.pieces.reduce((sum, { rows }) => sum + rows, 0);
  const head_dim = unembed_out.rows / groups;
  const v_dim = unembed_out.cols;
  const cols = heads * v_dim;
  if (!format || !outputFolds({ hidden, heads, head_dim, groups, width: v_dim }, format)) return null;
  const unembed = unpack(unembed_out);
  const o = stacked(o_proj);
  const product = new Float32Array(hidden * cols);
  const sums = new Float64Array(v_dim);
  for (let row = 0; row < hidden; row++) {
    for (let head = 0; head < heads; head++) {
      sums.fill(0);
      const group = Math.floor((head * groups) / heads);
      for (let i = 0; i < head_dim; i++) {
        const factor = o[(row * heads + head) * head_dim + i] ?? 0;
        const at = (group * head_dim + i) * v_dim;
        for (let j = 0; j < v_dim; j++) sums[j] = (sums[j] ?? 0) + factor * (unembed[at + j] ?? 0);
      }
      product.set(sums, row * cols + head * v_dim);
    }
  }
  return { pieces: [quantize(product, hidden, cols, format)], bias: o_proj.bias };
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

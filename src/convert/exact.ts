import type { ModelConfig } from '../core/config.ts';
import type { GqaAttention, Linear, MlaAttention } from '../core/layers.ts';
import { gatherRows } from '../core/packed.ts';
import type { PackedTensor } from '../core/packed.ts';
import { quantize } from '../core/quantize.ts';
import type { LayerReport } from './report.ts';

/**
 * GQA written as MLA without loss: the statement of TransMLA (arXiv 2502.07864, version 1). c_kv is all values, k_pe all
 * keys with every head's rotation kept, and the up-projections are selectors of 0 and 1. Same cache, same function, for any
 * number of KV heads, any rope scaling and any biases. No weight is rounded: rows of quantised matrices move whole.
 *
 *   kv_a_proj = [v_proj ; k_proj with its rows in the order (re of all heads, im of all heads)]
 *   embed_q[j]     puts q into the place of k head j within k_pe
 *   unembed_out[j] takes v head j out of c_kv
 */
export function convertExact(
  config: Pick<ModelConfig, 'num_key_value_heads' | 'head_dim'>,
  layer: number,
  { q_proj, k_proj, v_proj, o_proj }: GqaAttention,
): { attention: MlaAttention; report: LayerReport } {
  const { num_key_value_heads: groups, head_dim } = config;
  const half = head_dim / 2;
  const width = groups * head_dim;
  // Row p of k_pe: pair (j, f) is element j * half + f of the first half (re) or of the second (im).
  const order = Array.from({ length: width }, (_, p) => {
    const part = Math.floor(p / (groups * half));
    const j = Math.floor((p % (groups * half)) / half);
    return j * head_dim + part * half + (p % half);
  });
  const attention: MlaAttention = {
    form: 'mla',
    latent: 'strict',
    kv_lora_rank: width,
    qk_rope_head_dim: width,
    qk_offset: width,
    groups,
    q_proj,
    kv_a_proj: stack(v_proj, reorder(k_proj, order), width),
    embed_q: selector(groups, width, head_dim, (j, p) =>
      Math.floor((order[p] ?? 0) / head_dim) === j ? (order[p] ?? 0) % head_dim : -1,
    ),
    unembed_out: selector(groups, head_dim, width, (j, i) => j * head_dim + i),
    o_proj,
    rope_pairs: Uint32Array.from({ length: width / 2 }, (_, p) => p % half),
    rope_rebuild: null,
    rope_mean: null,
  };
  const report: LayerReport = {
    layer,
    method: 'exact',
    form: 'strict',
    kv_lora_rank: width,
    qk_rope_head_dim: width,
    ropePairs: Array.from(attention.rope_pairs),
    gqaValues: 2 * width,
    mlaValues: 2 * width,
    addedWeights: 2 * groups * width * head_dim,
    spectrum: null,
    predictedError: 0,
    outputEnergy: null,
  };
  return { attention, report };
}

/** Rows of a linear in another order. Pieces of different formats are taken apart row by row only where they must be. */
function reorder({ pieces, bias }: Linear, order: readonly number[]): Linear {
  const starts: number[] = [];
  pieces.reduce((row, piece) => (starts.push(row), row + piece.rows), 0);
  const pieceOf = (row: number): number => starts.findLastIndex((start) => start <= row);
  const runs: { piece: number; rows: number[] }[] = [];
  for (const row of order) {
    const piece = pieceOf(row);
    const last = runs.at(-1);
    const local = row - (starts[piece] ?? 0);
    if (last?.piece === piece) last.rows.push(local);
    else runs.push({ piece, rows: [local] });
  }
  return {
    pieces: runs.flatMap(({ piece, rows }) => {
      const source = pieces[piece];
      return source ? [gatherRows(source, rows)] : [];
    }),
    bias: bias && Float32Array.from(order, (row) => bias[row] ?? 0),
  };
}

/** One linear under another. A missing bias is zeros when the other has one. */
function stack(top: Linear, bottom: Linear, rows: number): Linear {
  const bias = (top.bias ?? bottom.bias) ? new Float32Array(2 * rows) : null;
  if (bias && top.bias) bias.set(top.bias);
  if (bias && bottom.bias) bias.set(bottom.bias, rows);
  return { pieces: [...top.pieces, ...bottom.pieces], bias };
}

/** [groups, rows, cols] with a single 1 in column `column(group, row)` of each row, none where that is -1. f16 holds it exactly. */
function selector(
  groups: number,
  rows: number,
  cols: number,
  column: (group: number, row: number) => number,
): PackedTensor {
  const values = new Float32Array(groups * rows * cols);
  for (let g = 0; g < groups; g++) {
    for (let row = 0; row < rows; row++) {
      const at = column(g, row);
      if (at >= 0) values[(g * rows + row) * cols + at] = 1;
    }
  }
  return quantize(values, groups * rows, cols, 'f16');
}

import { constantNorm } from '../convert/constant_norm.ts';
import type { ConstantNorm } from '../convert/constant_norm.ts';
import type { ModelConfig, MlaConfig } from '../core/config.ts';
import type { Linear, MlaAttention } from '../core/layers.ts';
import { gatherRows, unpack } from '../core/packed.ts';
import type { PackedTensor } from '../core/packed.ts';
import type { LatentLayer } from '../formats/latent_config.ts';

/**
 * Attention of a checkpoint in DeepSeek's layout as a strict layer (core/layers.ts). A head's query stays as wide as it is there,
 * qk_nope_head_dim + qk_rope_head_dim, so that DeepSeek's softmax scale is its head_dim^(-1/2).
 *
 *   embed_q[j]     = [W_UK,jᵀ 0 ; 0 P]    P: pairs side by side to half-split
 *   unembed_out[j] = W_UV,j               one matrix for neighbouring heads that share theirs, as converted GQA's do
 *   kv_a_proj      = kv_a_proj_with_mqa without its constant, k_pe half-split; what the constant adds to values goes to o_proj's bias
 */
export interface DeepseekTensors {
  /** `name`.weight in the format that is wanted, and its bias if there is one. */
  linear(name: string, rows: number, cols: number): Promise<Linear>;
  floats(name: string, shape: readonly number[]): Promise<Float32Array<ArrayBuffer>>;
  /** A matrix made here, in the format that is wanted. */
  packed(rows: number, cols: number, value: (row: number, col: number) => number): PackedTensor;
}

export async function deepseekAttention(
  config: ModelConfig,
  mla: MlaConfig,
  layer: LatentLayer,
  prefix: string,
  inputNorm: Float32Array,
  tensors: DeepseekTensors,
): Promise<MlaAttention> {
  const { hidden_size, num_attention_heads: heads } = config;
  const { kv_lora_rank, qk_nope_head_dim: nope, qk_rope_head_dim: rope, v_head_dim } = mla;
  const kv_a = await tensors.linear(`${prefix}.kv_a_proj_with_mqa`, kv_lora_rank + rope, hidden_size);
  const norm = await normOf(`${prefix}.kv_a_layernorm`, kv_a, kv_lora_rank, mla, inputNorm, tensors);
  const kept = Array.from({ length: kv_lora_rank }, (_, i) => i).filter((i) => i !== norm.constant);
  const pairs = Array.from({ length: rope }, (_, i) =>
    mla.rope_interleave ? 2 * (i % (rope / 2)) + Math.floor(i / (rope / 2)) : i,
  );

  const width = nope + v_head_dim;
  const up = await tensors.floats(`${prefix}.kv_b_proj.weight`, [heads * width, kv_lora_rank]);
  const shared = sharedHeads(up, heads);
  const groups = heads / shared;
  /** Row `row` of what head h makes of value i of the latent. */
  const lifted = (h: number, row: number, i: number): number =>
    (up[(h * width + row) * kv_lora_rank + i] ?? 0) * (norm.scales[i] ?? 1);
  const r = kept.length;
  const qk_dim = r + rope;
  const embedded = (row: number, col: number): number => {
    const [j, i] = [Math.floor(row / qk_dim), row % qk_dim];
    if (i >= r) return col === nope + (pairs[i - r] ?? 0) ? 1 : 0;
    return col < nope ? lifted(j * shared, col, kept[i] ?? 0) : 0;
  };
  const o_proj = await tensors.linear(`${prefix}.o_proj`, hidden_size, heads * v_head_dim);
  return {
    form: 'mla',
    ...layer,
    groups,
    q_proj: await queries(config, mla, prefix, inputNorm, tensors),
    kv_a_proj: rowsOf(kv_a, [...kept, ...pairs.map((i) => kv_lora_rank + i)]),
    embed_q: tensors.packed(groups * qk_dim, nope + rope, embedded),
    unembed_out: tensors.packed(groups * v_head_dim, r, (row, col) =>
      lifted(Math.floor(row / v_head_dim) * shared, nope + (row % v_head_dim), kept[col] ?? 0),
    ),
    o_proj:
      norm.constant < 0
        ? o_proj
        : withConstants(o_proj, heads * v_head_dim, (i) =>
            lifted(Math.floor(i / v_head_dim), nope + (i % v_head_dim), norm.constant),
          ),
    rope_pairs: Uint32Array.from({ length: rope / 2 }, (_, f) => f),
    rope_rebuild: null,
    rope_mean: null,
  };
}

/** q_proj, or q_b_proj q_a_proj with what lies between them. */
async function queries(
  { hidden_size, num_attention_heads, head_dim }: ModelConfig,
  mla: MlaConfig,
  prefix: string,
  inputNorm: Float32Array,
  tensors: DeepseekTensors,
): Promise<Linear> {
  const rows = num_attention_heads * head_dim;
  const { q_lora_rank: rank } = mla;
  if (rank === null) return tensors.linear(`${prefix}.q_proj`, rows, hidden_size);
  const a = await tensors.linear(`${prefix}.q_a_proj`, rank, hidden_size);
  const b = await tensors.linear(`${prefix}.q_b_proj`, rows, rank);
  const { constant, scales } = await normOf(`${prefix}.q_a_layernorm`, a, rank, mla, inputNorm, tensors);
  const [down, up] = [whole(a), whole(b)];
  const bias = b.bias?.slice() ?? new Float32Array(rows);
  const weight = new Float32Array(rows * hidden_size);
  for (let to = 0; to < rows; to++) {
    for (let i = 0; i < rank; i++) {
      const factor = (up[to * rank + i] ?? 0) * (scales[i] ?? 1);
      if (factor === 0) continue;
      bias[to] = (bias[to] ?? 0) + factor * (i === constant ? 1 : (a.bias?.[i] ?? 0));
      for (let x = 0; x < hidden_size; x++) {
        const at = to * hidden_size + x;
        weight[at] = (weight[at] ?? 0) + factor * (down[i * hidden_size + x] ?? 0);
      }
    }
  }
  return {
    pieces: [tensors.packed(rows, hidden_size, (row, col) => weight[row * hidden_size + col] ?? 0)],
    bias,
  };
}

/** What stands between a down-projection's first `rank` rows and its up-projection. */
async function normOf(
  name: string,
  linear: Linear,
  rank: number,
  { qk_latent_layernorm }: MlaConfig,
  inputNorm: Float32Array,
  tensors: DeepseekTensors,
): Promise<ConstantNorm> {
  if (!qk_latent_layernorm) return { constant: -1, scales: new Float64Array(rank).fill(1) };
  const cols = inputNorm.length;
  return constantNorm(
    name,
    {
      weight: { rows: rank, cols, data: Float64Array.from(whole(linear).subarray(0, rank * cols)) },
      bias: Float64Array.from({ length: rank }, (_, i) => linear.bias?.[i] ?? 0),
      norm: Float64Array.from(await tensors.floats(`${name}.weight`, [rank])),
    },
    inputNorm,
  );
}

/** How many neighbouring heads have the same rows each, or 1. */
function sharedHeads(up: Float32Array, heads: number): number {
  const block = up.length / heads;
  const same = (h: number, other: number): boolean => {
    for (let i = 0; i < block; i++) if (up[h * block + i] !== up[other * block + i]) return false;
    return true;
  };
  let shared = 1;
  while (shared < heads && same(shared, 0)) shared++;
  for (let h = 0; h < heads; h++) if (heads % shared !== 0 || !same(h, h - (h % shared))) return 1;
  return shared;
}

function rowsOf({ pieces, bias }: Linear, order: readonly number[]): Linear {
  return {
    pieces: pieces.map((piece) => gatherRows(piece, order)),
    bias: bias && Float32Array.from(order, (row) => bias[row] ?? 0),
  };
}

/** o_proj of values that have constants added: probabilities sum to one. */
function withConstants(o_proj: Linear, inputs: number, constant: (i: number) => number): Linear {
  const constants = Array.from({ length: inputs }, (_, i) => constant(i));
  const weight = whole(o_proj);
  const bias = Float32Array.from({ length: weight.length / inputs }, (_, row) =>
    constants.reduce((sum, x, i) => sum + x * (weight[row * inputs + i] ?? 0), o_proj.bias?.[row] ?? 0),
  );
  return { ...o_proj, bias };
}

function whole({ pieces: [piece] }: Linear): Float32Array {
  return piece ? unpack(piece) : new Float32Array(0);
}

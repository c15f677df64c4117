import type { GqaAttention, Linear, MlaAttention } from '../core/layers.ts';
import { latentShape } from '../core/layers.ts';
import type { AttentionShape } from './attention_shape.ts';
import { checkMaps } from './latent_maps.ts';
import type { LatentMaps } from './latent_maps.ts';
import { apply, place, rowsOf, stackRows, transpose, zeros } from './linalg/matrix.ts';
import { multiply } from './linalg/multiply.ts';
import { linearOf, weightOf } from './linear_weights.ts';

/**
 * Maps and weights as one layer. q_proj and o_proj stay as they are packed; the rest is f32.
 *
 *   kv_a_proj   = down [W_k ; W_v], bias downBias + down [b_k ; b_v]
 *   embed_q[j]  = [keyUp[j]ᵀ ; ropeQuery[j]]           unembed_out[j] = valueUp[j]
 *   o_proj bias + W_O valueConstant, since probabilities sum to one
 *
 * @throws WebMlaError `bad_tensor` when a map is not finite
 */
export function toMlaAttention(maps: LatentMaps, shape: AttentionShape, layer: GqaAttention): MlaAttention {
  checkMaps(maps);
  const { form, groups, head_dim, kv_lora_rank, pairs, ropeQuery, keyUp, valueUp } = maps;
  const qk_rope_head_dim = 2 * pairs.length;
  const widths = { latent: form, kv_lora_rank, qk_rope_head_dim, qk_offset: 0 };
  const { qk_dim, v_dim } = latentShape(widths);
  const embed = zeros(groups * qk_dim, head_dim);
  for (let j = 0; j < groups; j++) {
    const keys = transpose(rowsOf(keyUp, j * head_dim, (j + 1) * head_dim));
    place(embed, j * qk_dim, 0, keys);
    place(embed, j * qk_dim + v_dim, 0, rowsOf(ropeQuery, j * qk_rope_head_dim, (j + 1) * qk_rope_head_dim));
  }
  const { k_proj, v_proj, q_proj } = layer;
  const offset = apply(maps.down, [...biasOf(k_proj, shape.width), ...biasOf(v_proj, shape.width)]);
  const kv_a_proj = linearOf(
    multiply(maps.down, stackRows(weightOf(k_proj), weightOf(v_proj))),
    maps.downBias.map((x, i) => x + (offset[i] ?? 0)),
  );
  return {
    form: 'mla',
    ...widths,
    groups,
    q_proj,
    kv_a_proj,
    embed_q: onePiece(linearOf(embed, null)),
    unembed_out: onePiece(linearOf(valueUp, null)),
    o_proj: withConstant(layer.o_proj, shape, maps.valueConstant),
    rope_pairs: pairs,
    rope_rebuild: maps.ropeRebuild && linearOf(maps.ropeRebuild, maps.ropeRebuildBias),
    rope_mean: maps.storedMean && Float32Array.from(maps.storedMean),
  };
}

function biasOf({ bias }: Linear, rows: number): Float32Array {
  return bias ?? new Float32Array(rows);
}

function onePiece({ pieces: [piece] }: Linear): MlaAttention['embed_q'] {
  if (!piece) throw new RangeError('linearOf makes one piece');
  return piece;
}

/** o_proj with W_O [constant of the group of every head] in its bias. */
function withConstant(
  o_proj: Linear,
  { heads, groups, head_dim }: AttentionShape,
  constant: Float64Array,
): Linear {
  if (constant.every((x) => x === 0)) return o_proj;
  const repeated = Float64Array.from({ length: heads * head_dim }, (_, i) => {
    const j = Math.floor((Math.floor(i / head_dim) * groups) / heads);
    return constant[j * head_dim + (i % head_dim)] ?? 0;
  });
  const added = apply(weightOf(o_proj), repeated);
  return { pieces: o_proj.pieces, bias: Float32Array.from(added, (x, i) => x + (o_proj.bias?.[i] ?? 0)) };
}

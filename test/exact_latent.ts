import type { ModelConfig } from '../src/core/config.ts';
import { convertExact } from '../src/convert/exact.ts';
import type { GqaAttention, LatentForm, MlaAttention } from '../src/core/layers.ts';
import { unpack } from '../src/core/packed.ts';
import type { PackedTensor } from '../src/core/packed.ts';
import { quantize } from '../src/core/quantize.ts';

/**
 * GQA as any latent form, all pairs kept and nothing lost. A row is [values | keys]: in reuse the keys are k_pe un-rotated,
 * in recon they are part of c_kv and rope_rebuild selects them. Content takes no part in scores.
 */
export function exactLatent(config: ModelConfig, gqa: GqaAttention, latent: LatentForm): MlaAttention {
  const { attention } = convertExact(config, 0, gqa);
  if (latent === 'strict') return attention;
  const width = attention.kv_lora_rank;
  const { head_dim } = config;
  const { groups } = attention;
  const embed = unpack(attention.embed_q); // [groups * width, head_dim]
  const unembed = unpack(attention.unembed_out); // [groups * head_dim, width]
  // Queries: 2 * width of content that scores nothing, then the rope part. Outputs: the row's first half are values.
  const embed_q = new Float32Array(groups * 3 * width * head_dim);
  const unembed_out = new Float32Array(groups * head_dim * 2 * width);
  for (let g = 0; g < groups; g++) {
    const rope = embed.subarray(g * width * head_dim, (g + 1) * width * head_dim);
    embed_q.set(rope, (g * 3 + 2) * width * head_dim);
  }
  for (let row = 0; row < groups * head_dim; row++)
    unembed_out.set(unembed.subarray(row * width, (row + 1) * width), row * 2 * width);
  const wide = {
    ...attention,
    latent,
    qk_offset: 0,
    embed_q: f32(embed_q, groups * 3 * width, head_dim),
    unembed_out: f32(unembed_out, groups * head_dim, 2 * width),
  };
  if (latent === 'reuse') return withMean(wide);
  const selector = new Float32Array(width * 2 * width);
  for (let i = 0; i < width; i++) selector[i * 2 * width + width + i] = 1;
  return {
    ...wide,
    kv_lora_rank: 2 * width,
    rope_rebuild: { pieces: [f32(selector, width, 2 * width)], bias: null },
  };
}

/** Takes 0.25, -0.25, ... out of k_pe's bias and has them added when the row is read. */
function withMean(attention: MlaAttention): MlaAttention {
  const { kv_lora_rank: width, kv_a_proj } = attention;
  const mean = Float32Array.from({ length: width }, (_, i) => (i % 2 === 0 ? 0.25 : -0.25));
  const bias = new Float32Array(2 * width);
  if (kv_a_proj.bias) bias.set(kv_a_proj.bias);
  mean.forEach((value, i) => (bias[width + i] = (bias[width + i] ?? 0) - value));
  const { pieces } = kv_a_proj;
  return { ...attention, kv_a_proj: { pieces, bias }, rope_mean: mean };
}

function f32(values: Float32Array, rows: number, cols: number): PackedTensor {
  return quantize(values, rows, cols, 'f32');
}

import { DeepseekWriter } from '../src/convert/deepseek.ts';
import type { ModelConfig, RopeScaling } from '../src/core/config.ts';
import type { DecoderEnds, DecoderLayer, Linear, MlaAttention } from '../src/core/layers.ts';
import { quantize } from '../src/core/quantize.ts';
import { randomStream } from '../src/core/rng.ts';

/**
 * Tiny models of random strict layers, as an exportable conversion has them, for the DeepSeek layout: what a layer is made from does
 * not matter to it. scripts/make_deepseek_goldens.py has transformers run what is exported of them.
 */
export interface StrictModel {
  readonly config: ModelConfig;
  readonly layers: readonly DecoderLayer<MlaAttention>[];
  readonly ends: DecoderEnds;
}

interface Variant {
  readonly rope: RopeScaling;
  /** Frequencies of the original in one of the table. */
  readonly fold: number;
  readonly queryBias: boolean;
  readonly tied: boolean;
  readonly format: 'f32' | 'bf16';
}

const YARN: RopeScaling = {
  rope_type: 'yarn',
  factor: 4,
  original_max_position_embeddings: 48,
  beta_fast: 4,
  beta_slow: 1,
  truncate: true,
  attention_factor: 1.2,
};
const LLAMA3: RopeScaling = {
  rope_type: 'llama3',
  factor: 4,
  low_freq_factor: 1,
  high_freq_factor: 4,
  original_max_position_embeddings: 16,
};

/** What differs from case to case: each has a golden. */
export const VARIANTS: Readonly<Record<string, Variant>> = {
  plain: { rope: { rope_type: 'default' }, fold: 1, queryBias: false, tied: true, format: 'f32' },
  linear_folded: {
    rope: { rope_type: 'linear', factor: 2 },
    fold: 2,
    queryBias: false,
    tied: false,
    format: 'f32',
  },
  llama3_biased: { rope: LLAMA3, fold: 2, queryBias: true, tied: true, format: 'f32' },
  yarn_biased: { rope: YARN, fold: 1, queryBias: true, tied: false, format: 'f32' },
  yarn_folded: { rope: YARN, fold: 2, queryBias: true, tied: false, format: 'f32' },
  yarn_bf16: { rope: YARN, fold: 2, queryBias: true, tied: false, format: 'bf16' },
};

export const IDS = [3, 17, 22, 5, 31, 9, 30, 1, 12, 27, 8];

const SIZES = {
  hidden_size: 32,
  intermediate_size: 48,
  num_hidden_layers: 2,
  num_attention_heads: 4,
  num_key_value_heads: 2,
  head_dim: 16,
  vocab_size: 40,
} as const;
const RANK = 12;

export function strictModel(name: string): StrictModel {
  const variant = VARIANTS[name];
  if (!variant) throw new Error(`${name}: no such case`);
  const { rope, fold, queryBias, tied } = variant;
  const random = randomStream(name.length);
  const values = (count: number, size: number): Float32Array<ArrayBuffer> =>
    Float32Array.from({ length: count }, () => size * Math.sqrt(12) * (random() - 0.5));
  const norm = (count: number): Float32Array<ArrayBuffer> => values(count, 0.2).map((x) => 1 + x);
  const packed = (rows: number, cols: number): Linear['pieces'][number] =>
    quantize(values(rows * cols, 1.5 / Math.sqrt(cols)), rows, cols, 'f32');
  const linear = (rows: number, cols: number, bias = false): Linear => ({
    pieces: [packed(rows, cols)],
    bias: bias ? values(rows, 0.3) : null,
  });
  const { hidden_size, intermediate_size, num_attention_heads, num_key_value_heads, head_dim } = SIZES;
  const d_r = head_dim / fold;
  const layer = (): DecoderLayer<MlaAttention> => ({
    input_layernorm: norm(hidden_size),
    self_attn: {
      form: 'mla',
      latent: 'strict',
      kv_lora_rank: RANK,
      qk_rope_head_dim: d_r,
      qk_offset: 0,
      groups: num_key_value_heads,
      q_proj: linear(num_attention_heads * head_dim, hidden_size, queryBias),
      kv_a_proj: linear(RANK + d_r, hidden_size, true),
      embed_q: packed(num_key_value_heads * (RANK + d_r), head_dim),
      unembed_out: packed(num_key_value_heads * head_dim, RANK),
      o_proj: linear(hidden_size, num_attention_heads * head_dim, true),
      rope_pairs: Uint32Array.from({ length: d_r / 2 }, (_, i) => i * fold),
      rope_rebuild: null,
      rope_mean: null,
    },
    post_attention_layernorm: norm(hidden_size),
    mlp: {
      gate_proj: linear(intermediate_size, hidden_size),
      up_proj: linear(intermediate_size, hidden_size),
      down_proj: linear(hidden_size, intermediate_size),
    },
  });
  return {
    config: {
      ...SIZES,
      model_type: 'llama',
      architecture: 'LlamaForCausalLM',
      max_position_embeddings: 64,
      rms_norm_eps: 1e-5,
      tie_word_embeddings: tied,
      hidden_act: 'silu',
      rope_theta: 50,
      rope_scaling: rope,
      sliding_window: null,
      bos_token_id: 1,
      eos_token_id: [2],
    },
    layers: Array.from({ length: SIZES.num_hidden_layers }, layer),
    ends: {
      embed_tokens: packed(SIZES.vocab_size, hidden_size),
      norm: norm(hidden_size),
      lm_head: tied ? null : packed(SIZES.vocab_size, hidden_size),
    },
  };
}

/** The files of its export. */
export function exported(name: string): {
  'config.json': object;
  'model.safetensors': Uint8Array<ArrayBuffer>[];
} {
  const { config, layers, ends } = strictModel(name);
  const writer = new DeepseekWriter(config, VARIANTS[name]?.format);
  layers.forEach((layer, i) => writer.layer(i, layer));
  writer.ends(ends);
  return {
    'config.json': writer.configJson({ bos_token_id: 1, eos_token_id: 2 }),
    'model.safetensors': writer.parts(),
  };
}

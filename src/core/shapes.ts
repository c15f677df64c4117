import type { ModelConfig } from './config.ts';

/** Shapes of published models, for measurements with random weights. Figures are those of their config.json. */

const COMMON = {
  rms_norm_eps: 1e-6,
  hidden_act: 'silu',
  rope_scaling: { rope_type: 'default' },
  sliding_window: null,
  bos_token_id: null,
  eos_token_id: [],
  tie_word_embeddings: true,
  max_position_embeddings: 40_960,
} as const;

export const SHAPES = {
  'smollm2-135m': {
    ...COMMON,
    model_type: 'llama',
    architecture: 'LlamaForCausalLM',
    hidden_size: 576,
    intermediate_size: 1536,
    num_hidden_layers: 30,
    num_attention_heads: 9,
    num_key_value_heads: 3,
    head_dim: 64,
    vocab_size: 49_152,
    rope_theta: 100_000,
  },
  'qwen2-0.5b': {
    ...COMMON,
    model_type: 'qwen2',
    architecture: 'Qwen2ForCausalLM',
    hidden_size: 896,
    intermediate_size: 4864,
    num_hidden_layers: 24,
    num_attention_heads: 14,
    num_key_value_heads: 2,
    head_dim: 64,
    vocab_size: 151_936,
    rope_theta: 1_000_000,
  },
  'llama-3.2-1b': {
    ...COMMON,
    model_type: 'llama',
    architecture: 'LlamaForCausalLM',
    hidden_size: 2048,
    intermediate_size: 8192,
    num_hidden_layers: 16,
    num_attention_heads: 32,
    num_key_value_heads: 8,
    head_dim: 64,
    vocab_size: 128_256,
    rope_theta: 500_000,
  },
} as const satisfies Record<string, ModelConfig>;

export type ShapeName = keyof typeof SHAPES;
export const SHAPE_NAMES: readonly string[] = Object.keys(SHAPES);

export function isShapeName(name: string): name is ShapeName {
  return Object.hasOwn(SHAPES, name);
}

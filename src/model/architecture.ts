import type { ModelConfig } from '../core/config.ts';
import { WebMlaError } from '../core/errors.ts';
import { deepseek } from './deepseek.ts';
import type { Architecture } from './family.ts';
import { llama } from './llama.ts';
import { qwen2 } from './qwen2.ts';

/** Tensor names of one decoder layer, without `.weight` or `.bias`. The same in every family so far. */
export interface LayerNames {
  readonly input_layernorm: string;
  readonly q_proj: string;
  readonly k_proj: string;
  readonly v_proj: string;
  readonly o_proj: string;
  /** Of converted checkpoints; see convert/latent_checkpoint.ts. */
  readonly kv_a_proj: string;
  readonly embed_q: string;
  readonly unembed_out: string;
  readonly rope_pairs: string;
  readonly rope_rebuild: string;
  readonly rope_mean: string;
  readonly post_attention_layernorm: string;
  readonly gate_proj: string;
  readonly up_proj: string;
  readonly down_proj: string;
}

export function layerNames(layer: number): LayerNames {
  const prefix = `model.layers.${layer}`;
  return {
    input_layernorm: `${prefix}.input_layernorm`,
    q_proj: `${prefix}.self_attn.q_proj`,
    k_proj: `${prefix}.self_attn.k_proj`,
    v_proj: `${prefix}.self_attn.v_proj`,
    o_proj: `${prefix}.self_attn.o_proj`,
    kv_a_proj: `${prefix}.self_attn.kv_a_proj`,
    embed_q: `${prefix}.self_attn.embed_q`,
    unembed_out: `${prefix}.self_attn.unembed_out`,
    rope_pairs: `${prefix}.self_attn.rope_pairs`,
    rope_rebuild: `${prefix}.self_attn.rope_rebuild`,
    rope_mean: `${prefix}.self_attn.rope_mean`,
    post_attention_layernorm: `${prefix}.post_attention_layernorm`,
    gate_proj: `${prefix}.mlp.gate_proj`,
    up_proj: `${prefix}.mlp.up_proj`,
    down_proj: `${prefix}.mlp.down_proj`,
  };
}

const ARCHITECTURES: readonly Architecture[] = [llama, qwen2, deepseek];

/** Why a model cannot run, or null. */
export function whyUnsupported(config: ModelConfig): string | null {
  if (!ARCHITECTURES.some(({ modelTypes }) => modelTypes.includes(config.model_type))) {
    const known = ARCHITECTURES.flatMap(({ modelTypes }) => modelTypes).join(', ');
    return `model_type: expected one of ${known}, got ${config.model_type}`;
  }
  if (config.model_type === 'deepseek_v3' && !config.mla) {
    return `deepseek_v3: expected dense layers whose latents no norm changes (webmla's or TransMLA's), got ${config.architecture} of another kind`;
  }
  const { hidden_act, hidden_size, intermediate_size, head_dim } = config;
  const { num_attention_heads, num_key_value_heads } = config;
  if (hidden_act !== 'silu') return `hidden_act: expected silu, got ${hidden_act}`;
  if (head_dim % 8 !== 0) return `head_dim: expected a multiple of 8, got ${head_dim}`;
  if (hidden_size % 4 !== 0 || intermediate_size % 4 !== 0) {
    return `hidden_size, intermediate_size: expected multiples of 4, got ${hidden_size}, ${intermediate_size}`;
  }
  if (num_attention_heads % num_key_value_heads !== 0) {
    return `num_attention_heads ${num_attention_heads}: expected a multiple of num_key_value_heads ${num_key_value_heads}`;
  }
  return null;
}

/** @throws WebMlaError `unsupported` */
export function architectureOf(config: ModelConfig): Architecture {
  const reason = whyUnsupported(config);
  const found = ARCHITECTURES.find(({ modelTypes }) => modelTypes.includes(config.model_type));
  if (reason !== null || !found) {
    throw new WebMlaError(
      'unsupported',
      `model: ${reason ?? 'unknown'}`,
      'Choose a Llama, Mistral or Qwen2 checkpoint.',
      { model_type: config.model_type, architecture: config.architecture },
    );
  }
  return found;
}

/** Tokens that the model can be run with: what it was made for, or less where attention looks back less far. */
export function longestContext({
  max_position_embeddings,
  sliding_window,
  rope_scaling,
}: ModelConfig): number {
  const limits = [max_position_embeddings];
  if (sliding_window !== null) limits.push(sliding_window);
  if (rope_scaling.rope_type === 'dynamic') limits.push(rope_scaling.original_max_position_embeddings);
  return Math.min(...limits);
}

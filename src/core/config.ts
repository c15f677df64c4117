/** What a model is, under the names of config.json. Made by formats/hf_config.ts from config.json or GGUF metadata. */

/** transformers' `rope_type` names; the formulas are in core/rope.ts. */
export type RopeScaling =
  | { readonly rope_type: 'default' }
  | { readonly rope_type: 'linear'; readonly factor: number }
  /** Exact up to `original_max_position_embeddings`, which caps the context. */
  | {
      readonly rope_type: 'dynamic';
      readonly factor: number;
      readonly original_max_position_embeddings: number;
    }
  | {
      readonly rope_type: 'llama3';
      readonly factor: number;
      readonly low_freq_factor: number;
      readonly high_freq_factor: number;
      readonly original_max_position_embeddings: number;
    }
  | {
      readonly rope_type: 'yarn';
      readonly factor: number;
      readonly original_max_position_embeddings: number;
      readonly beta_fast: number;
      readonly beta_slow: number;
      readonly truncate: boolean;
      /** Multiplies cos and sin; already resolved from `attention_factor`, `mscale` and `mscale_all_dim`. */
      readonly attention_factor: number;
    };

export interface ModelConfig {
  /** 'llama', 'qwen2', ...: chooses the file in src/model. */
  readonly model_type: string;
  /** First entry of `architectures`, e.g. 'LlamaForCausalLM'. */
  readonly architecture: string;
  readonly hidden_size: number;
  readonly intermediate_size: number;
  readonly num_hidden_layers: number;
  readonly num_attention_heads: number;
  readonly num_key_value_heads: number;
  /** In DeepSeek's layout qk_nope_head_dim + qk_rope_head_dim. */
  readonly head_dim: number;
  readonly vocab_size: number;
  readonly max_position_embeddings: number;
  readonly rms_norm_eps: number;
  readonly tie_word_embeddings: boolean;
  readonly hidden_act: string;
  readonly rope_theta: number;
  readonly rope_scaling: RopeScaling;
  /** Tokens that attention may look back, null for all of them. Caps the context: windows are not implemented. */
  readonly sliding_window: number | null;
  readonly bos_token_id: number | null;
  /** Never empty lists of null: [] when the file names none. */
  readonly eos_token_id: readonly number[];
  /** Of a checkpoint in DeepSeek's layout that can run. */
  readonly mla?: MlaConfig;
}

/** What a DeepseekV3Config says of attention, in the variants that run (formats/deepseek_config.ts). */
export interface MlaConfig {
  readonly kv_lora_rank: number;
  /** null: queries come from one matrix. */
  readonly q_lora_rank: number | null;
  readonly qk_nope_head_dim: number;
  readonly qk_rope_head_dim: number;
  readonly v_head_dim: number;
  /** Whether latents pass an RMSNorm; then it must be one over a constant (convert/constant_norm.ts). */
  readonly qk_latent_layernorm: boolean;
  /** Whether the two values of a rope pair lie side by side. */
  readonly rope_interleave: boolean;
}

/** Sampling defaults and stop ids of generation_config.json; a field is absent when the file does not name it. */
export interface GenerationConfig {
  readonly eos_token_id?: readonly number[];
  readonly do_sample?: boolean;
  readonly temperature?: number;
  readonly top_p?: number;
  readonly top_k?: number;
  readonly min_p?: number;
  readonly repetition_penalty?: number;
  readonly max_new_tokens?: number;
}

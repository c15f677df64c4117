import type { GenerationConfig, RopeScaling } from '../core/config.ts';
import { ConfigFields } from './config_fields.ts';
import { isStrictType, parseGenerationConfig } from './hf_config.ts';
import type { JsonObject } from './json_source.ts';
import type { TensorEntry } from './tensor_entry.ts';

/** GGUF metadata -> the same facts under the names of config.json. Keys: docs/gguf.md of ggml, llama-arch.cpp. */

const HF_ARCHITECTURES: ReadonlyMap<string, string> = new Map([
  ['llama', 'LlamaForCausalLM'],
  ['qwen2', 'Qwen2ForCausalLM'],
  ['qwen3', 'Qwen3ForCausalLM'],
  ['deepseek2', 'DeepseekV2ForCausalLM'],
]);

/** What `general.architecture` says; '' when it says nothing. */
export function ggufArchitecture(metadata: JsonObject): string {
  const architecture = metadata['general.architecture'];
  return typeof architecture === 'string' ? architecture : '';
}

/**
 * @param tensors under GGUF names: the vocabulary and tied embeddings are read off them
 * @param scaling from rope_freqs.weight, if the file has it
 * @returns what a config.json of the model would say
 * @throws WebMlaError `bad_file` naming the metadata key that is missing
 */
export function ggufConfig(
  metadata: JsonObject,
  tensors: ReadonlyMap<string, TensorEntry>,
  scaling: RopeScaling | null,
  file: string,
): JsonObject {
  const arch = ggufArchitecture(metadata);
  const fields = new ConfigFields(metadata, file, !isStrictType(arch));
  if (!arch) fields.refuse('general.architecture', 'a name, e.g. "llama"');
  const hidden_size = fields.count(`${arch}.embedding_length`);
  const num_attention_heads = fields.count(`${arch}.attention.head_count`);
  const head_dim = fields.count(
    `${arch}.attention.key_length`,
    Math.floor(hidden_size / Math.max(1, num_attention_heads)),
  );
  if (isStrictType(arch) && fields.count(`${arch}.attention.value_length`, head_dim) !== head_dim) {
    fields.refuse(`${arch}.attention.value_length`, `the key length ${head_dim}`, 'unsupported');
  }
  const rotated = fields.count(`${arch}.rope.dimension_count`, head_dim);
  return {
    model_type: arch,
    architectures: [HF_ARCHITECTURES.get(arch) ?? arch],
    hidden_size,
    intermediate_size: fields.count(`${arch}.feed_forward_length`),
    num_hidden_layers: fields.count(`${arch}.block_count`),
    num_attention_heads,
    num_key_value_heads: fields.count(`${arch}.attention.head_count_kv`, num_attention_heads),
    head_dim,
    vocab_size: vocabSize(fields, tensors),
    max_position_embeddings: fields.count(`${arch}.context_length`),
    rms_norm_eps: shortest(fields.positive(`${arch}.attention.layer_norm_rms_epsilon`)),
    tie_word_embeddings: !tensors.has('output.weight'),
    hidden_act: 'silu',
    rope_theta: shortest(fields.positive(`${arch}.rope.freq_base`, 10_000)),
    rope_scaling: scaling ?? ropeScaling(fields, arch),
    ...(rotated === head_dim ? {} : { partial_rotary_factor: rotated / head_dim }),
    bos_token_id: fields.ids('tokenizer.ggml.bos_token_id')[0] ?? null,
    eos_token_id: endTokens(fields),
  };
}

/** End tokens and the sampling that newer files recommend (general.sampling.*). */
export function ggufGenerationConfig(metadata: JsonObject): GenerationConfig {
  const sampling = (name: string): unknown => metadata[`general.sampling.${name}`];
  return parseGenerationConfig({
    eos_token_id: endTokens(new ConfigFields(metadata, '', true)),
    temperature: sampling('temp'),
    top_k: sampling('top_k'),
    top_p: sampling('top_p'),
    min_p: sampling('min_p'),
    repetition_penalty: sampling('penalty_repeat'),
  });
}

/** End of sequence, of turn and of message, each once. */
function endTokens(fields: ConfigFields): number[] {
  const keys = ['eos', 'eot', 'eom'].map((token) => `tokenizer.ggml.${token}_token_id`);
  return [...new Set(keys.flatMap((key) => fields.ids(key)))];
}

function vocabSize(fields: ConfigFields, tensors: ReadonlyMap<string, TensorEntry>): number {
  const rows = (tensors.get('token_embd.weight') ?? tensors.get('output.weight'))?.shape[0];
  const tokens = fields.raw['tokenizer.ggml.tokens'];
  return rows ?? (Array.isArray(tokens) ? tokens.length : 0);
}

/**
 * llama.cpp: a factor without a type is linear; YaRN multiplies its `attn_factor` with 0.1 ln(factor) + 1 and always
 * rounds the ramp to whole pairs.
 */
function ropeScaling(fields: ConfigFields, arch: string): JsonObject | null {
  const key = `${arch}.rope.scaling`;
  const factor = shortest(fields.positive(`${key}.factor`, fields.positive(`${arch}.rope.scale_linear`, 1)));
  const rope_type = fields.text(`${key}.type`, 'linear');
  if (rope_type === 'none' || (rope_type === 'linear' && factor === 1)) return null;
  if (rope_type !== 'yarn') return { rope_type, factor };
  const attn_factor = fields.positive(`${key}.attn_factor`, 1);
  return {
    rope_type,
    factor,
    original_max_position_embeddings: fields.count(
      `${key}.original_context_length`,
      fields.count(`${arch}.context_length`),
    ),
    beta_fast: fields.positive(`${key}.yarn_beta_fast`, 32),
    beta_slow: fields.positive(`${key}.yarn_beta_slow`, 1),
    attention_factor: attn_factor * (factor > 1 ? 0.1 * Math.log(factor) + 1 : 1),
  };
}

/** The shortest decimal that is the same f32: 1e-5, not 0.000009999999747378752. */
function shortest(value: number): number {
  for (let digits = 1; digits < 9; digits++) {
    const short = Number(value.toPrecision(digits));
    if (Math.fround(short) === value) return short;
  }
  return value;
}

import type { GenerationConfig, ModelConfig } from '../core/config.ts';
import { ConfigFields } from './config_fields.ts';
import { readMla } from './deepseek_config.ts';
import { isJsonObject } from './json_source.ts';
import type { JsonObject } from './json_source.ts';
import { readRope } from './rope_config.ts';

/** Architectures whose configuration is read strictly. Others are only inspected, and what they lack is 0. */
const STRICT_TYPES: ReadonlySet<string> = new Set(['llama', 'mistral', 'qwen2']);

/** Strict for models that may run: their configuration must say what they are. */
export function isStrictType(model_type: string): boolean {
  return STRICT_TYPES.has(model_type);
}

/**
 * config.json -> ModelConfig. Defaults are those of transformers' configuration classes. Of a multimodal model the
 * numbers are those of `text_config`, the type and architecture those of the whole.
 * @param file for messages
 * @throws WebMlaError `bad_file` naming the key that is missing or senseless, `unsupported` for a rope we cannot compute
 */
export function parseConfig(raw: JsonObject, file: string): ModelConfig {
  const architecture = Array.isArray(raw['architectures']) ? String(raw['architectures'][0]) : '';
  const model_type = modelType(raw, architecture, file);
  const mla = model_type === 'deepseek_v3' ? readMla(raw, architecture, file) : null;
  const lenient = !isStrictType(model_type) && !mla;
  const merged = isJsonObject(raw['text_config']) ? { ...raw, ...raw['text_config'] } : raw;
  const fields = new ConfigFields(merged, file, lenient);

  const hidden_size = fields.count('hidden_size');
  const num_attention_heads = fields.count('num_attention_heads');
  const num_key_value_heads = fields.count('num_key_value_heads', num_attention_heads);
  const config: ModelConfig = {
    model_type,
    architecture,
    hidden_size,
    intermediate_size: fields.count('intermediate_size'),
    num_hidden_layers: fields.count('num_hidden_layers'),
    num_attention_heads,
    num_key_value_heads,
    head_dim: mla
      ? mla.qk_nope_head_dim + mla.qk_rope_head_dim
      : fields.count('head_dim', hidden_size / Math.max(1, num_attention_heads)),
    vocab_size: fields.count('vocab_size'),
    max_position_embeddings: fields.count('max_position_embeddings'),
    rms_norm_eps: fields.positive('rms_norm_eps', 1e-6),
    tie_word_embeddings: fields.flag('tie_word_embeddings', false),
    hidden_act: fields.text('hidden_act', 'silu'),
    ...(lenient ? readRopeLeniently(fields, file) : readRope(fields, file)),
    sliding_window: slidingWindow(fields, model_type),
    bos_token_id: fields.ids('bos_token_id')[0] ?? null,
    eos_token_id: fields.ids('eos_token_id'),
    ...(mla && { mla }),
  };
  if (!lenient) checkHeads(config, fields);
  return config;
}

/** generation_config.json -> what webmla uses of it; fields of another type than expected are left out. */
export function parseGenerationConfig(raw: JsonObject): GenerationConfig {
  const fields = new ConfigFields(raw, 'generation_config.json', true);
  const eos_token_id = fields.ids('eos_token_id');
  const numbers: Record<string, number> = {};
  for (const key of ['temperature', 'top_p', 'top_k', 'min_p', 'repetition_penalty', 'max_new_tokens']) {
    const value = raw[key];
    if (typeof value === 'number' && Number.isFinite(value) && value >= 0) numbers[key] = value;
  }
  return {
    ...(eos_token_id.length > 0 ? { eos_token_id } : {}),
    ...(typeof raw['do_sample'] === 'boolean' ? { do_sample: raw['do_sample'] } : {}),
    ...numbers,
  };
}

function modelType(raw: JsonObject, architecture: string, file: string): string {
  const fields = new ConfigFields(raw, file);
  if (typeof raw['model_type'] === 'string') return raw['model_type'];
  // Hand-made files often have only `architectures`.
  const family = /^(.+?)For[A-Z]/.exec(architecture)?.[1]?.toLowerCase();
  return family ?? fields.refuse('model_type', 'the type of the model, e.g. "llama"');
}

/** Models that are only inspected may use a rope of any kind. */
function readRopeLeniently(fields: ConfigFields, file: string): ReturnType<typeof readRope> {
  try {
    return readRope(fields, file);
  } catch {
    return { rope_theta: fields.positive('rope_theta', 10_000), rope_scaling: { rope_type: 'default' } };
  }
}

/**
 * Tokens that some layer really looks back. Mistral uses the field as it stands; Qwen2 only with `use_sliding_window`
 * and from layer `max_window_layers` on; Llama has no such thing. A window as long as the context is none.
 */
function slidingWindow(fields: ConfigFields, model_type: string): number | null {
  const declared = fields.raw['sliding_window'];
  // MistralConfig's default; files without a window say null.
  const window = declared === undefined && model_type === 'mistral' ? 4096 : declared;
  if (typeof window !== 'number' || window <= 0 || model_type === 'llama') return null;
  if (fields.has('use_sliding_window') || model_type === 'qwen2') {
    if (!fields.flag('use_sliding_window', false)) return null;
    if (Number(fields.raw['max_window_layers'] ?? 28) >= Number(fields.raw['num_hidden_layers'])) return null;
  }
  const layerTypes = fields.raw['layer_types'];
  if (Array.isArray(layerTypes) && layerTypes.every((type) => type === 'full_attention')) return null;
  return window >= Number(fields.raw['max_position_embeddings']) ? null : window;
}

function checkHeads(config: ModelConfig, fields: ConfigFields): void {
  const { num_attention_heads, num_key_value_heads, head_dim } = config;
  if (!Number.isInteger(head_dim)) {
    fields.refuse(
      'num_attention_heads',
      `a divisor of hidden_size ${config.hidden_size} (there is no head_dim)`,
    );
  }
  if (head_dim % 2 !== 0) fields.refuse('head_dim', `an even number for the rotation (here ${head_dim})`);
  if (num_attention_heads % num_key_value_heads !== 0) {
    fields.refuse('num_key_value_heads', `a divisor of num_attention_heads ${num_attention_heads}`);
  }
}

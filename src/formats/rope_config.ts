import type { RopeScaling } from '../core/config.ts';
import { ConfigFields } from './config_fields.ts';
import { isJsonObject } from './json_source.ts';
import type { JsonObject } from './json_source.ts';

export interface RopeConfig {
  readonly rope_theta: number;
  readonly rope_scaling: RopeScaling;
}

const DEFAULT_THETA = 10_000;

/**
 * Rope of a config.json in any of its spellings: `rope_theta` and `rope_scaling` beside each other, `rope_parameters`
 * with both (transformers 5), `type` for `rope_type`, parameters nested by layer type.
 * Source: transformers 5.23, modeling_rope_utils.py (RotaryEmbeddingConfigMixin, _compute_*_parameters).
 * @throws WebMlaError `unsupported` for a rope_type that webmla does not compute, `bad_file` for a missing number
 */
export function readRope(config: ConfigFields, file: string): RopeConfig {
  const raw = ropeParameters(config);
  const rope = new ConfigFields(raw, `${file}: rope_parameters`);
  const rope_theta = rope.positive('rope_theta', config.positive('rope_theta', DEFAULT_THETA));
  for (const fields of [rope, config]) {
    if (fields.positive('partial_rotary_factor', 1) !== 1) {
      fields.refuse('partial_rotary_factor', '1 (every value of a head is rotated)', 'unsupported');
    }
  }
  return { rope_theta, rope_scaling: readScaling(rope, config) };
}

/** `rope_scaling` goes before `rope_parameters`, as in transformers. */
function ropeParameters(config: ConfigFields): JsonObject {
  const raw = [config.raw['rope_scaling'], config.raw['rope_parameters']].find(isJsonObject) ?? {};
  const layerTypes = config.raw['layer_types'];
  const nested = Array.isArray(layerTypes)
    ? layerTypes.filter((type) => isJsonObject(raw[String(type)]))
    : [];
  const kinds = [...new Set(nested.map(String))];
  if (kinds.length > 1) {
    config.refuse(
      'rope_parameters',
      `one rope for all layers, not one each for ${kinds.join(', ')}`,
      'unsupported',
    );
  }
  const inner = raw[kinds[0] ?? ''];
  return isJsonObject(inner) ? inner : raw;
}

function readScaling(rope: ConfigFields, config: ConfigFields): RopeScaling {
  const rope_type = rope.text('rope_type', rope.text('type', 'default'));
  switch (rope_type) {
    case 'default':
      if (rope.has('mrope_section')) rope.refuse('mrope_section', 'a rope over one position', 'unsupported');
      return { rope_type };
    case 'linear':
      return { rope_type, factor: rope.positive('factor') };
    case 'dynamic':
      return {
        rope_type,
        factor: rope.positive('factor'),
        original_max_position_embeddings: config.count('max_position_embeddings'),
      };
    case 'llama3':
      return {
        rope_type,
        factor: rope.positive('factor'),
        low_freq_factor: rope.positive('low_freq_factor'),
        high_freq_factor: rope.positive('high_freq_factor'),
        original_max_position_embeddings: originalContext(rope, config),
      };
    case 'yarn': {
      const original_max_position_embeddings = originalContext(rope, config);
      const factor = rope.positive(
        'factor',
        config.count('max_position_embeddings') / original_max_position_embeddings,
      );
      return {
        rope_type,
        factor,
        original_max_position_embeddings,
        beta_fast: rope.positive('beta_fast', 32),
        beta_slow: rope.positive('beta_slow', 1),
        truncate: rope.flag('truncate', true),
        attention_factor: yarnAttentionFactor(rope, factor),
      };
    }
    default:
      return rope.refuse(
        rope.has('rope_type') ? 'rope_type' : 'type',
        'default, linear, dynamic, llama3 or yarn',
        'unsupported',
        'webmla does not compute this position embedding.',
      );
  }
}

/** The field beside rope_parameters goes before the one in it (Phi3 and others write it there), then the context. */
function originalContext(rope: ConfigFields, config: ConfigFields): number {
  const key = 'original_max_position_embeddings';
  return config.has(key) ? config.count(key) : rope.count(key, config.count('max_position_embeddings'));
}

/** transformers, _compute_yarn_parameters: mscale and mscale_all_dim count only when both are there and not 0. */
function yarnAttentionFactor(rope: ConfigFields, factor: number): number {
  if (rope.has('attention_factor')) return rope.positive('attention_factor');
  const mscaleOf = (mscale: number): number => (factor <= 1 ? 1 : 0.1 * mscale * Math.log(factor) + 1);
  const [mscale, mscale_all_dim] = [rope.raw['mscale'], rope.raw['mscale_all_dim']];
  if (typeof mscale === 'number' && typeof mscale_all_dim === 'number' && mscale && mscale_all_dim) {
    return mscaleOf(mscale) / mscaleOf(mscale_all_dim);
  }
  return mscaleOf(1);
}

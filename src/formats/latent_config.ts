import { CACHE_FORMATS } from '../core/cache_rows.ts';
import type { CacheFormat } from '../core/cache_rows.ts';
import type { ModelConfig } from '../core/config.ts';
import type { LatentForm, MlaAttention } from '../core/layers.ts';
import { ConfigFields } from './config_fields.ts';
import { isJsonObject } from './json_source.ts';
import type { JsonObject } from './json_source.ts';

/**
 * `webmla` in the config.json of a converted checkpoint: what its attention layers are. The rest of config.json stays as it was,
 * except `architectures`, so that no other program takes the folder for the model that it was made from.
 */

export const LATENT_ARCHITECTURE = 'WebMlaForCausalLM';
const VERSION = 1;
const FORMS: readonly LatentForm[] = ['strict', 'reuse', 'recon'];

/** Widths of one layer; see MlaAttention. */
export type LatentLayer = Pick<MlaAttention, 'latent' | 'kv_lora_rank' | 'qk_rope_head_dim' | 'qk_offset'>;

export interface LatentConfig {
  /** What made it: 'exact', 'transmla', ... */
  readonly method: string;
  /** What the converter made the cache for: the default when it runs. */
  readonly cacheDtype: CacheFormat;
  /** `architectures[0]` of the original. */
  readonly architecture: string;
  readonly layers: readonly LatentLayer[];
}

export function latentConfigJson(original: JsonObject, latent: LatentConfig): JsonObject {
  return { ...original, architectures: [LATENT_ARCHITECTURE], webmla: { version: VERSION, ...latent } };
}

/** The layers of a checkpoint in DeepSeek's layout. A constant that the latent's norm is taken out of the way by is not cached. */
function deepseekLatent({ mla, num_hidden_layers, architecture }: ModelConfig): LatentConfig | null {
  if (!mla) return null;
  const { kv_lora_rank, qk_rope_head_dim, qk_latent_layernorm } = mla;
  const layer = { latent: 'strict', qk_offset: 0, qk_rope_head_dim } as const;
  const rank = qk_latent_layernorm ? kv_lora_rank - 1 : kv_lora_rank;
  return {
    method: 'deepseek',
    cacheDtype: 'f16',
    architecture,
    layers: Array.from({ length: num_hidden_layers }, () => ({ ...layer, kv_lora_rank: rank })),
  };
}

/** @returns null for a checkpoint without latent layers; @throws WebMlaError `bad_file`, `unsupported` for a newer version */
export function parseLatentConfig(raw: JsonObject, config: ModelConfig, file: string): LatentConfig | null {
  const section = raw['webmla'];
  if (section === undefined) return deepseekLatent(config);
  const outer = new ConfigFields(raw, file);
  if (!isJsonObject(section)) return outer.refuse('webmla', 'an object');
  const fields = new ConfigFields(section, `${file}: webmla`);
  if (section['version'] !== VERSION) {
    return fields.refuse('version', String(VERSION), 'unsupported', 'A newer version of webmla wrote it.');
  }
  const cacheDtype = CACHE_FORMATS.find((one) => one === section['cacheDtype']);
  if (!cacheDtype) return fields.refuse('cacheDtype', `one of ${CACHE_FORMATS.join(', ')}`);
  const layers: unknown = section['layers'];
  if (!Array.isArray(layers) || layers.length !== config.num_hidden_layers) {
    return fields.refuse('layers', `a list of ${config.num_hidden_layers} layers`);
  }
  return {
    method: fields.text('method', ''),
    architecture: fields.text('architecture', ''),
    cacheDtype,
    layers: layers.map((layer: unknown, i) => parseLayer(layer, `${file}: webmla.layers[${i}]`)),
  };
}

function parseLayer(raw: unknown, file: string): LatentLayer {
  const fields = new ConfigFields(isJsonObject(raw) ? raw : {}, file);
  const latent = FORMS.find((form) => form === fields.raw['latent']);
  if (!latent) return fields.refuse('latent', `one of ${FORMS.join(', ')}`);
  const kv_lora_rank = fields.count('kv_lora_rank');
  const qk_rope_head_dim = wholeOrZero(fields, 'qk_rope_head_dim');
  if (qk_rope_head_dim % 2 !== 0) return fields.refuse('qk_rope_head_dim', 'an even number');
  const qk_offset = wholeOrZero(fields, 'qk_offset');
  if (qk_offset > (latent === 'strict' ? kv_lora_rank : 0)) {
    return fields.refuse('qk_offset', latent === 'strict' ? `at most kv_lora_rank, ${kv_lora_rank}` : '0');
  }
  return { latent, kv_lora_rank, qk_rope_head_dim, qk_offset };
}

function wholeOrZero(fields: ConfigFields, key: string): number {
  return fields.raw[key] === 0 ? 0 : fields.count(key);
}

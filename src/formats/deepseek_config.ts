import type { MlaConfig } from '../core/config.ts';
import { ConfigFields } from './config_fields.ts';
import { isJsonObject } from './json_source.ts';
import type { JsonObject } from './json_source.ts';

/**
 * Attention of a config.json of `model_type` deepseek_v3, where webmla can run it: dense layers, and latents that no norm changes.
 * Such are webmla's own exports (attention_bias: a constant in the latent, convert/constant_norm.ts) and what TransMLA writes
 * (`qk_latent_layernorm` false: no norms; facts from MuLabPKU/TransMLA cdd6f8e1, transmla/modify_config.py and transformers/mla.py).
 * @returns null for other checkpoints of that type, which can be inspected
 * @throws WebMlaError `bad_file`, `unsupported`
 */
export function readMla(raw: JsonObject, architecture: string, file: string): MlaConfig | null {
  const fields = new ConfigFields(raw, file);
  const layers = fields.count('num_hidden_layers', 61);
  const transmla = fields.has('qk_latent_layernorm');
  const qk_latent_layernorm = fields.flag('qk_latent_layernorm', true);
  const dense =
    architecture === 'LlamaMLAForCausalLM' ||
    (architecture === 'DeepseekV3ForCausalLM' &&
      Number(raw['first_k_dense_replace'] ?? (transmla ? layers : 3)) >= layers);
  if (!dense || (qk_latent_layernorm && !fields.flag('attention_bias', false))) return null;
  const scaling = [raw['rope_scaling'], raw['rope_parameters']].find(isJsonObject);
  // TransMLA's code reads it nowhere; transformers' scales all of a score by it.
  if (!transmla && scaling?.['mscale_all_dim']) {
    fields.refuse('rope_scaling', 'no mscale_all_dim', 'unsupported');
  }
  const mla: MlaConfig = {
    kv_lora_rank: fields.count('kv_lora_rank'),
    q_lora_rank: fields.has('q_lora_rank') ? fields.count('q_lora_rank') : null,
    qk_nope_head_dim: fields.count('qk_nope_head_dim'),
    qk_rope_head_dim: fields.count('qk_rope_head_dim'),
    v_head_dim: fields.count('v_head_dim'),
    qk_latent_layernorm,
    rope_interleave: transmla || fields.flag('rope_interleave', true),
  };
  if (mla.qk_rope_head_dim % 2 !== 0) fields.refuse('qk_rope_head_dim', 'an even number for the rotation');
  return mla;
}

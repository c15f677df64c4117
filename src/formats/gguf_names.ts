import { WebMlaError } from '../core/errors.ts';
import type { RowOrder, TensorEntry } from './tensor_entry.ts';

/** GGUF names -> names of Hugging Face's Llama family. Source: gguf-py/gguf/tensor_mapping.py of llama.cpp. */

const GLOBAL_NAMES: ReadonlyMap<string, string> = new Map([
  ['token_embd', 'model.embed_tokens'],
  ['output_norm', 'model.norm'],
  ['output', 'lm_head'],
]);

const LAYER_NAMES: ReadonlyMap<string, string> = new Map([
  ['attn_norm', 'input_layernorm'],
  ['attn_q', 'self_attn.q_proj'],
  ['attn_k', 'self_attn.k_proj'],
  ['attn_v', 'self_attn.v_proj'],
  ['attn_output', 'self_attn.o_proj'],
  ['attn_q_norm', 'self_attn.q_norm'],
  ['attn_k_norm', 'self_attn.k_norm'],
  ['ffn_norm', 'post_attention_layernorm'],
  ['ffn_gate', 'mlp.gate_proj'],
  ['ffn_up', 'mlp.up_proj'],
  ['ffn_down', 'mlp.down_proj'],
]);

/** Name in Hugging Face's layout; a name that is not in the table stays as it is. */
export function hfName(name: string): string {
  const [, layer, stem = '', suffix = ''] = /^(?:blk\.(\d+)\.)?(\w+)\.(weight|bias)$/.exec(name) ?? [];
  const known = layer === undefined ? GLOBAL_NAMES.get(stem) : LAYER_NAMES.get(stem);
  if (known === undefined) return name;
  return layer === undefined ? `${known}.${suffix}` : `model.layers.${layer}.${known}.${suffix}`;
}

/**
 * The order in which a GGUF holds the rows of a tensor. llama.cpp's converter permutes q and k, weights and biases, of
 * everything whose GGUF architecture is `llama` (Llama, Mistral, SmolLM, ...), for its rotation of neighbouring pairs;
 * Qwen2 and the other families that it rotates by halves are left alone.
 * @throws WebMlaError `bad_file` when the rows cannot be split into heads
 */
export function ggufRowOrder(
  entry: TensorEntry,
  architecture: string,
  heads: { readonly q: number; readonly k: number },
): RowOrder | null {
  const kind = /^blk\.\d+\.attn_([qk])\.(weight|bias)$/.exec(entry.name)?.[1];
  if (architecture !== 'llama' || (kind !== 'q' && kind !== 'k')) return null;
  const count = heads[kind];
  const rows = entry.shape[0] ?? 0;
  if (rows % (2 * count) !== 0) {
    throw new WebMlaError(
      'bad_file',
      `${entry.source.name}: ${entry.name}: expected rows for ${count} heads of an even size, got ${rows}`,
    );
  }
  return { kind: 'llama_cpp_rope', heads: count };
}

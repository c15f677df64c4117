import { randomStream } from '../../../src/core/rng.ts';
import type { TensorToWrite } from '../../../src/formats/safetensors_writer.ts';
import { f32, text, u32 } from './gguf_writer.ts';
import type { GgufField, GgufTensor } from './gguf_writer.ts';
import { f32Bytes } from './memory_files.ts';

/** A Llama of one layer with random f32 weights, in both layouts: what the checkpoint tests need, and no more. */

export const tinyConfig = {
  architectures: ['LlamaForCausalLM'],
  model_type: 'llama',
  hidden_size: 32,
  intermediate_size: 64,
  num_hidden_layers: 1,
  num_attention_heads: 4,
  num_key_value_heads: 2,
  vocab_size: 10,
  max_position_embeddings: 64,
  rms_norm_eps: 1e-5,
  rope_theta: 1e4,
  hidden_act: 'silu',
  tie_word_embeddings: true,
  bos_token_id: 1,
  eos_token_id: 2,
} as const;

const SHAPES: Readonly<Record<string, readonly number[]>> = {
  'model.embed_tokens.weight': [10, 32],
  'model.layers.0.input_layernorm.weight': [32],
  'model.layers.0.self_attn.q_proj.weight': [32, 32],
  'model.layers.0.self_attn.q_proj.bias': [32],
  'model.layers.0.self_attn.k_proj.weight': [16, 32],
  'model.layers.0.self_attn.k_proj.bias': [16],
  'model.layers.0.self_attn.v_proj.weight': [16, 32],
  'model.layers.0.self_attn.o_proj.weight': [32, 32],
  'model.layers.0.post_attention_layernorm.weight': [32],
  'model.layers.0.mlp.gate_proj.weight': [64, 32],
  'model.layers.0.mlp.up_proj.weight': [64, 32],
  'model.layers.0.mlp.down_proj.weight': [32, 64],
  'model.norm.weight': [32],
};

/** By HF name. */
export const tinyTensors: readonly TensorToWrite[] = Object.entries(SHAPES).map(([name, shape], seed) => {
  const random = randomStream(seed);
  const count = shape.reduce((a, b) => a * b, 1);
  return { name, dtype: 'F32', shape, data: f32Bytes(Array.from({ length: count }, () => random() - 0.5)) };
});

export const tinyTokenizer = { version: '1.0', model: { type: 'BPE', vocab: { a: 0 }, merges: [] } };

export function ggufFields(architecture = 'llama'): Record<string, GgufField> {
  return {
    'general.architecture': text(architecture),
    [`${architecture}.context_length`]: u32(64),
    [`${architecture}.embedding_length`]: u32(32),
    [`${architecture}.block_count`]: u32(1),
    [`${architecture}.feed_forward_length`]: u32(64),
    [`${architecture}.attention.head_count`]: u32(4),
    [`${architecture}.attention.head_count_kv`]: u32(2),
    [`${architecture}.attention.layer_norm_rms_epsilon`]: f32(1e-5),
    [`${architecture}.rope.freq_base`]: f32(1e4),
    [`${architecture}.rope.dimension_count`]: u32(8),
    'tokenizer.ggml.model': text('gpt2'),
    'tokenizer.ggml.tokens': { type: 'string', value: ['a', 'b'] },
    'tokenizer.ggml.bos_token_id': u32(1),
    'tokenizer.ggml.eos_token_id': u32(2),
  };
}

const GGUF_NAMES: Readonly<Record<string, string>> = {
  'model.embed_tokens': 'token_embd',
  'model.norm': 'output_norm',
  lm_head: 'output',
  input_layernorm: 'attn_norm',
  'self_attn.q_proj': 'attn_q',
  'self_attn.k_proj': 'attn_k',
  'self_attn.v_proj': 'attn_v',
  'self_attn.o_proj': 'attn_output',
  post_attention_layernorm: 'ffn_norm',
  'mlp.gate_proj': 'ffn_gate',
  'mlp.up_proj': 'ffn_up',
  'mlp.down_proj': 'ffn_down',
};

/** As convert_hf_to_gguf.py would write it: q and k permuted when the architecture is `llama`. */
export function ggufTensor({ name, shape, data }: TensorToWrite, architecture = 'llama'): GgufTensor {
  const [, layer, stem = '', suffix = ''] =
    /^(?:model\.layers\.(\d+)\.)?(.+)\.(weight|bias)$/.exec(name) ?? [];
  const permute = architecture === 'llama' && /[qk]_proj/.test(name);
  return {
    name: `${layer === undefined ? '' : `blk.${layer}.`}${GGUF_NAMES[stem] ?? stem}.${suffix}`,
    type: 0,
    shape,
    data: permute ? permuted(data, shape, name.includes('q_proj') ? 4 : 2) : data,
  };
}

/** weights.reshape(heads, 2, rows / heads / 2, ...).swapaxes(1, 2).reshape(weights.shape) */
function permuted(data: Uint8Array<ArrayBuffer>, shape: readonly number[], heads: number): Uint8Array {
  const rows = shape[0]!;
  const stride = data.length / rows;
  const half = rows / heads / 2;
  const result = new Uint8Array(data.length);
  let to = 0;
  for (let head = 0; head < heads; head++) {
    for (let i = 0; i < half; i++) {
      for (const a of [0, 1]) {
        const from = (head * 2 + a) * half + i;
        result.set(data.subarray(from * stride, (from + 1) * stride), stride * to++);
      }
    }
  }
  return result;
}

import type { ModelConfig } from '../core/config.ts';
import { WebMlaError } from '../core/errors.ts';
import type { DecoderEnds, DecoderLayer, MlaAttention } from '../core/layers.ts';
import type { JsonObject } from '../formats/json_source.ts';
import { writeSafetensors } from '../formats/safetensors_writer.ts';
import type { TensorToWrite } from '../formats/safetensors_writer.ts';
import { weightOf } from './linear_weights.ts';
import { rowsOf, scaleRows, stackRows, transpose, zeros } from './linalg/matrix.ts';
import type { Matrix } from './linalg/matrix.ts';
import { multiply } from './linalg/multiply.ts';

/**
 * A strict, exportable conversion in the layout of DeepSeek-V3, so that transformers' DeepseekV3ForCausalLM loads it unchanged:
 * one kv_lora_rank, one qk_rope_head_dim and one rotary table theta^(-2i / d_r) for all layers.
 *
 *   q_proj               head h: s [W_q,h ; Uq_j W_q,h],  s = sqrt((head_dim + d_r) / head_dim), since DeepSeek scales by the whole
 *   kv_a_proj_with_mqa   [c_kv ; a constant M ; k_pe, its pairs interleaved], with bias
 *   kv_a_layernorm       M / sqrt(r + 1): the constant is so large that the norm divides by it alone
 *   kv_b_proj            head h: [W_UK,j 0 ; W_UV,j 0]
 */

/** |c_kv| stays far below: the norm then differs from 1 by |c_kv|² / 2 M². */
const CONSTANT = 2 ** 20;

export class DeepseekWriter {
  readonly #config: ModelConfig;
  readonly #tensors: TensorToWrite[] = [];
  #widths: Pick<MlaAttention, 'kv_lora_rank' | 'qk_rope_head_dim'> | null = null;

  /** @throws WebMlaError `unsupported` for rope scaling, which this export does not translate */
  constructor(config: ModelConfig) {
    this.#config = config;
    if (config.rope_scaling.rope_type !== 'default') {
      throw new WebMlaError(
        'unsupported',
        `rope_scaling: expected none for a DeepSeek export, got ${config.rope_scaling.rope_type}`,
      );
    }
  }

  /** @throws WebMlaError `unsupported` for a layer that DeepSeek's layout cannot hold */
  layer(index: number, layer: DecoderLayer<MlaAttention>): void {
    const { self_attn, mlp } = layer;
    const { kv_lora_rank, qk_rope_head_dim } = this.#checked(self_attn);
    this.#widths ??= { kv_lora_rank, qk_rope_head_dim };
    const prefix = `model.layers.${index}`;
    this.#vector(`${prefix}.input_layernorm.weight`, layer.input_layernorm);
    this.#vector(`${prefix}.post_attention_layernorm.weight`, layer.post_attention_layernorm);
    for (const [name, linear] of Object.entries(mlp)) {
      if (linear.bias) throw unsupported(`${prefix}.mlp.${name}`, 'no bias');
      this.#matrix(`${prefix}.mlp.${name}.weight`, weightOf(linear));
    }
    const attention = `${prefix}.self_attn`;
    const norm = new Float32Array(kv_lora_rank + 1).fill(CONSTANT / Math.sqrt(kv_lora_rank + 1));
    this.#matrix(`${attention}.q_proj.weight`, this.#queries(self_attn));
    this.#matrix(`${attention}.kv_a_proj_with_mqa.weight`, rowsOut(self_attn, weightOf(self_attn.kv_a_proj)));
    this.#vector(`${attention}.kv_a_proj_with_mqa.bias`, biasOut(self_attn));
    this.#vector(`${attention}.kv_a_layernorm.weight`, norm);
    this.#matrix(`${attention}.kv_b_proj.weight`, this.#ups(self_attn));
    this.#matrix(`${attention}.o_proj.weight`, weightOf(self_attn.o_proj));
    const { hidden_size } = this.#config;
    this.#vector(`${attention}.o_proj.bias`, self_attn.o_proj.bias ?? new Float32Array(hidden_size));
  }

  ends({ embed_tokens, norm, lm_head }: DecoderEnds): void {
    const whole = (tensor: typeof embed_tokens): Matrix => weightOf({ pieces: [tensor], bias: null });
    this.#matrix('model.embed_tokens.weight', whole(embed_tokens));
    if (lm_head) this.#matrix('lm_head.weight', whole(lm_head));
    this.#vector('model.norm.weight', norm);
  }

  /** Parts of model.safetensors, f32. */
  parts(): Uint8Array<ArrayBuffer>[] {
    return writeSafetensors(this.#tensors, { format: 'pt' });
  }

  configJson(original: JsonObject): JsonObject {
    const { kv_lora_rank, qk_rope_head_dim } = this.#widths ?? { kv_lora_rank: 0, qk_rope_head_dim: 0 };
    const config = this.#config;
    const { hidden_size, intermediate_size, num_hidden_layers, num_attention_heads, vocab_size } = config;
    return {
      architectures: ['DeepseekV3ForCausalLM'],
      model_type: 'deepseek_v3',
      hidden_size,
      intermediate_size,
      num_hidden_layers,
      num_attention_heads,
      num_key_value_heads: num_attention_heads,
      vocab_size,
      kv_lora_rank: kv_lora_rank + 1,
      q_lora_rank: null,
      qk_rope_head_dim,
      qk_nope_head_dim: config.head_dim,
      qk_head_dim: config.head_dim + qk_rope_head_dim,
      head_dim: qk_rope_head_dim,
      v_head_dim: config.head_dim,
      attention_bias: true,
      rope_interleave: true,
      rope_theta: config.rope_theta,
      rope_scaling: null,
      first_k_dense_replace: num_hidden_layers,
      hidden_act: config.hidden_act,
      max_position_embeddings: config.max_position_embeddings,
      rms_norm_eps: config.rms_norm_eps,
      tie_word_embeddings: config.tie_word_embeddings,
      bos_token_id: original['bos_token_id'] ?? null,
      eos_token_id: original['eos_token_id'] ?? null,
      pad_token_id: original['pad_token_id'] ?? null,
      dtype: 'float32',
    };
  }

  #checked(attention: MlaAttention): MlaAttention {
    const { latent, qk_offset, kv_lora_rank, qk_rope_head_dim, rope_pairs, q_proj } = attention;
    if (latent !== 'strict' || qk_offset !== 0) throw unsupported('form', 'strict');
    const fold = this.#config.head_dim / qk_rope_head_dim;
    if (!rope_pairs.every((f, i) => f === i * fold)) throw unsupported('rope_pairs', 'one rotary table');
    const { kv_lora_rank: r = kv_lora_rank, qk_rope_head_dim: d = qk_rope_head_dim } = this.#widths ?? {};
    if (r !== kv_lora_rank || d !== qk_rope_head_dim) throw unsupported('widths', 'the same in every layer');
    if (q_proj.bias) throw unsupported('q_proj.bias', 'no query biases');
    return attention;
  }

  /** [heads * (head_dim + d_r), hidden_size] */
  #queries({ q_proj, embed_q, groups, kv_lora_rank: r, qk_rope_head_dim: d_r }: MlaAttention): Matrix {
    const { num_attention_heads: heads, head_dim } = this.#config;
    const scale = Math.sqrt((head_dim + d_r) / head_dim);
    const weight = weightOf(q_proj);
    const maps = weightOf({ pieces: [embed_q], bias: null });
    const order = interleaved(d_r);
    const parts: Matrix[] = [];
    for (let h = 0; h < heads; h++) {
      const j = Math.floor((h * groups) / heads);
      const own = rowsOf(weight, h * head_dim, (h + 1) * head_dim);
      const start = j * (r + d_r) + r;
      parts.push(own, pick(multiply(rowsOf(maps, start, start + d_r), own), order));
    }
    const all = stackRows(...parts);
    return scaleRows(new Float64Array(all.rows).fill(scale), all);
  }

  /** [heads * 2 head_dim, r + 1] */
  #ups({ embed_q, unembed_out, groups, kv_lora_rank: r, qk_rope_head_dim: d_r }: MlaAttention): Matrix {
    const { num_attention_heads: heads, head_dim } = this.#config;
    const keys = weightOf({ pieces: [embed_q], bias: null });
    const values = weightOf({ pieces: [unembed_out], bias: null });
    const result = zeros(heads * 2 * head_dim, r + 1);
    for (let h = 0; h < heads; h++) {
      const j = Math.floor((h * groups) / heads);
      const up = transpose(rowsOf(keys, j * (r + d_r), j * (r + d_r) + r));
      for (let i = 0; i < head_dim; i++) {
        const at = (h * 2 * head_dim + i) * (r + 1);
        result.data.set(up.data.subarray(i * r, (i + 1) * r), at);
        const value = (j * head_dim + i) * r;
        result.data.set(values.data.subarray(value, value + r), at + head_dim * (r + 1));
      }
    }
    return result;
  }

  #matrix(name: string, { rows, cols, data }: Matrix): void {
    this.#add(name, [rows, cols], Float32Array.from(data));
  }

  #vector(name: string, values: Float32Array): void {
    this.#add(name, [values.length], values.slice());
  }

  #add(name: string, shape: number[], values: Float32Array<ArrayBuffer>): void {
    this.#tensors.push({ name, dtype: 'F32', shape, data: new Uint8Array(values.buffer) });
  }
}

/** Rows of kv_a_proj with an empty row for the constant, and the rope key's pairs side by side. */
function rowsOut({ kv_lora_rank: r, qk_rope_head_dim: d_r }: MlaAttention, rows: Matrix): Matrix {
  return stackRows(rowsOf(rows, 0, r), zeros(1, rows.cols), pick(rowsOf(rows, r, r + d_r), interleaved(d_r)));
}

function biasOut({ kv_a_proj, kv_lora_rank: r, qk_rope_head_dim: d_r }: MlaAttention): Float32Array {
  const bias = kv_a_proj.bias ?? new Float32Array(r + d_r);
  return Float32Array.of(...bias.subarray(0, r), CONSTANT, ...interleaved(d_r).map((i) => bias[r + i] ?? 0));
}

/** Half-split (re of all pairs, im of all) to (re, im) of each pair. */
function interleaved(dim: number): number[] {
  return Array.from({ length: dim }, (_, i) => Math.floor(i / 2) + (i % 2) * (dim / 2));
}

function pick(matrix: Matrix, order: readonly number[]): Matrix {
  return stackRows(...order.map((row) => rowsOf(matrix, row, row + 1)));
}

function unsupported(what: string, expected: string): WebMlaError {
  return new WebMlaError(
    'unsupported',
    `${what}: expected ${expected} for a DeepSeek export`,
    'Convert with --method webmla --exportable.',
  );
}

import type { ModelConfig } from '../core/config.ts';
import { WebMlaError } from '../core/errors.ts';
import { numberToBf16 } from '../core/half.ts';
import type { DecoderEnds, DecoderLayer, MlaAttention } from '../core/layers.ts';
import type { WeightFormat } from '../core/packed.ts';
import type { JsonObject } from '../formats/json_source.ts';
import { writeSafetensors } from '../formats/safetensors_writer.ts';
import type { TensorToWrite } from '../formats/safetensors_writer.ts';
import { throughNorm } from './constant_norm.ts';
import { deepseekRope } from './deepseek_rope.ts';
import { weightOf } from './linear_weights.ts';
import { identity, place, rowsOf, stackRows, transpose, zeros } from './linalg/matrix.ts';
import type { Matrix } from './linalg/matrix.ts';
import { multiply } from './linalg/multiply.ts';

/**
 * A strict, exportable conversion in the layout of DeepSeek-V3, so that transformers' DeepseekV3ForCausalLM loads it unchanged:
 * one kv_lora_rank, one qk_rope_head_dim and one rotary table theta^(-2i / d_r) for all layers.
 *
 *   q_proj               head h: s [W_q,h ; Uq_j W_q,h],  s = sqrt((head_dim + d_r) / head_dim), since DeepSeek scales by the whole
 *   q_a_proj, q_b_proj   instead of it where queries have biases: s W_q with its bias, and head h: [I ; Uq_j]
 *   kv_a_proj_with_mqa   [c_kv ; a constant ; k_pe, its pairs interleaved], with bias
 *   kv_b_proj            head h: [W_UK,j 0 ; W_UV,j 0]; biases of values are in that of o_proj, those of keys drop out of the softmax
 *
 * Constants in both latents take their norms out of the way (constant_norm.ts). attention_bias says that q_a_proj, kv_a_proj_with_mqa
 * and o_proj have biases; q_proj never has one.
 */

type Widths = Pick<MlaAttention, 'kv_lora_rank' | 'qk_rope_head_dim'> & { readonly queryBias: boolean };

export class DeepseekWriter {
  readonly #config: ModelConfig;
  readonly #format: 'f32' | 'bf16';
  readonly #tensors: TensorToWrite[] = [];
  #widths: Widths | null = null;

  /** @param format of all tensors. @throws WebMlaError `unsupported` for another one */
  constructor(config: ModelConfig, format: WeightFormat = 'f32') {
    if (format !== 'f32' && format !== 'bf16') {
      throw new WebMlaError(
        'unsupported',
        `weights: expected f32 or bf16 for a DeepSeek export, got ${format}`,
        'The constant that takes the norm out of the way is too large for the range of f16.',
      );
    }
    this.#config = config;
    this.#format = format;
  }

  /** @throws WebMlaError `unsupported` for a layer that DeepSeek's layout cannot hold */
  layer(index: number, layer: DecoderLayer<MlaAttention>): void {
    const { self_attn, mlp } = layer;
    this.#widths = this.#checked(self_attn);
    const prefix = `model.layers.${index}`;
    this.#vector(`${prefix}.input_layernorm.weight`, layer.input_layernorm);
    this.#vector(`${prefix}.post_attention_layernorm.weight`, layer.post_attention_layernorm);
    for (const [name, linear] of Object.entries(mlp)) {
      if (linear.bias) throw unsupported(`${prefix}.mlp.${name}`, 'no bias');
      this.#matrix(`${prefix}.mlp.${name}.weight`, weightOf(linear));
    }
    const attention = `${prefix}.self_attn`;
    this.#queries(attention, layer);
    this.#latents(attention, layer);
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

  /** Parts of model.safetensors. */
  parts(): Uint8Array<ArrayBuffer>[] {
    return writeSafetensors(this.#tensors, { format: 'pt' });
  }

  /** @throws WebMlaError `unsupported` for a rope scaling that this layout does not have */
  configJson(original: JsonObject): JsonObject {
    const config = this.#config;
    const { hidden_size, intermediate_size, num_hidden_layers, num_attention_heads, vocab_size } = config;
    const { kv_lora_rank, qk_rope_head_dim, queryBias } = this.#widths ?? {
      kv_lora_rank: 0,
      qk_rope_head_dim: config.head_dim,
      queryBias: false,
    };
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
      q_lora_rank: queryBias ? num_attention_heads * config.head_dim + 1 : null,
      qk_rope_head_dim,
      qk_nope_head_dim: config.head_dim,
      qk_head_dim: config.head_dim + qk_rope_head_dim,
      head_dim: qk_rope_head_dim,
      v_head_dim: config.head_dim,
      attention_bias: true,
      rope_interleave: true,
      rope_theta: config.rope_theta,
      rope_scaling: deepseekRope(config, config.head_dim / qk_rope_head_dim),
      first_k_dense_replace: num_hidden_layers,
      num_nextn_predict_layers: 0,
      hidden_act: config.hidden_act,
      // This architecture has no sliding window: the model is good for as far as one reaches.
      max_position_embeddings: Math.min(
        config.max_position_embeddings,
        config.sliding_window ?? config.max_position_embeddings,
      ),
      rms_norm_eps: config.rms_norm_eps,
      tie_word_embeddings: config.tie_word_embeddings,
      bos_token_id: original['bos_token_id'] ?? null,
      eos_token_id: original['eos_token_id'] ?? null,
      pad_token_id: original['pad_token_id'] ?? null,
      dtype: this.#format === 'f32' ? 'float32' : 'bfloat16',
    };
  }

  #checked(attention: MlaAttention): Widths {
    const { latent, qk_offset, kv_lora_rank, qk_rope_head_dim, rope_pairs, q_proj } = attention;
    if (latent !== 'strict' || qk_offset !== 0) throw unsupported('form', 'strict');
    const fold = this.#config.head_dim / qk_rope_head_dim;
    if (!rope_pairs.every((f, i) => f === i * fold)) throw unsupported('rope_pairs', 'one rotary table');
    deepseekRope(this.#config, fold);
    const widths: Widths = { kv_lora_rank, qk_rope_head_dim, queryBias: q_proj.bias !== null };
    const first = this.#widths ?? widths;
    const same =
      first.kv_lora_rank === kv_lora_rank &&
      first.qk_rope_head_dim === qk_rope_head_dim &&
      first.queryBias === widths.queryBias;
    if (!same) throw unsupported('widths', 'the same in every layer');
    return widths;
  }

  /** q_proj, or q_a_proj [heads * head_dim + 1, hidden_size], its norm and q_b_proj [heads * (head_dim + d_r), heads * head_dim + 1]. */
  #queries(name: string, { input_layernorm, self_attn }: DecoderLayer<MlaAttention>): void {
    const { q_proj, qk_rope_head_dim } = self_attn;
    const scale = Math.sqrt((this.#config.head_dim + qk_rope_head_dim) / this.#config.head_dim);
    const weight = scaled(scale, weightOf(q_proj));
    if (!q_proj.bias) {
      this.#matrix(`${name}.q_proj.weight`, multiply(this.#queryMaps(self_attn, weight.rows), weight));
      return;
    }
    const a = throughNorm(
      weight,
      q_proj.bias.map((x) => scale * x),
      input_layernorm,
    );
    this.#matrix(`${name}.q_a_proj.weight`, a.weight);
    this.#vector(`${name}.q_a_proj.bias`, a.bias);
    this.#vector(`${name}.q_a_layernorm.weight`, a.norm);
    this.#matrix(`${name}.q_b_proj.weight`, this.#queryMaps(self_attn, weight.rows + 1));
  }

  /** Head h: [I ; Uq_j] on its own query, the rope part's pairs interleaved; [heads * (head_dim + d_r), cols] */
  #queryMaps(
    { embed_q, groups, kv_lora_rank: r, qk_rope_head_dim: d_r }: MlaAttention,
    cols: number,
  ): Matrix {
    const { num_attention_heads: heads, head_dim } = this.#config;
    const maps = weightOf({ pieces: [embed_q], bias: null });
    const order = interleaved(d_r);
    const all = zeros(heads * (head_dim + d_r), cols);
    for (let h = 0; h < heads; h++) {
      const start = Math.floor((h * groups) / heads) * (r + d_r) + r;
      const row = h * (head_dim + d_r);
      place(all, row, h * head_dim, identity(head_dim));
      place(all, row + head_dim, h * head_dim, pick(rowsOf(maps, start, start + d_r), order));
    }
    return all;
  }

  /** kv_a_proj_with_mqa [r + 1 + d_r, hidden_size] and its norm. */
  #latents(name: string, { input_layernorm, self_attn }: DecoderLayer<MlaAttention>): void {
    const { kv_a_proj, kv_lora_rank: r, qk_rope_head_dim: d_r } = self_attn;
    const weight = weightOf(kv_a_proj);
    const bias = kv_a_proj.bias ?? new Float32Array(r + d_r);
    const a = throughNorm(rowsOf(weight, 0, r), bias.subarray(0, r), input_layernorm);
    const order = interleaved(d_r).map((i) => r + i);
    this.#matrix(`${name}.kv_a_proj_with_mqa.weight`, stackRows(a.weight, pick(weight, order)));
    this.#vector(`${name}.kv_a_proj_with_mqa.bias`, [...a.bias, ...order.map((i) => bias[i] ?? 0)]);
    this.#vector(`${name}.kv_a_layernorm.weight`, a.norm);
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
    this.#add(name, [rows, cols], data);
  }

  #vector(name: string, values: ArrayLike<number>): void {
    this.#add(name, [values.length], values);
  }

  #add(name: string, shape: number[], values: ArrayLike<number>): void {
    const f32 = Float32Array.from(values);
    if (this.#format === 'f32') {
      this.#tensors.push({ name, dtype: 'F32', shape, data: new Uint8Array(f32.buffer) });
    } else {
      const bits = new Uint16Array(f32.length);
      // Uint16Array.from takes five times as long.
      for (let i = 0; i < bits.length; i++) bits[i] = numberToBf16(f32[i] ?? 0);
      this.#tensors.push({ name, dtype: 'BF16', shape, data: new Uint8Array(bits.buffer) });
    }
  }
}

function scaled(factor: number, matrix: Matrix): Matrix {
  return { ...matrix, data: matrix.data.map((x) => factor * x) };
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

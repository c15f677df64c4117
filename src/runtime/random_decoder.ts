import type { ModelConfig } from '../core/config.ts';
import { numberToF16 } from '../core/half.ts';
import type { DecoderEnds, DecoderLayer, GqaAttention, Linear } from '../core/layers.ts';
import { emptyPacked } from '../core/packed.ts';
import type { PackedTensor, WeightFormat } from '../core/packed.ts';
import type { DecoderSource } from './decoder_source.ts';

/** A model of a given shape with random weights, for measurements of speed: speed does not depend on what weights say. */
export class RandomDecoder implements DecoderSource {
  readonly config: ModelConfig;
  readonly latent = null;
  readonly #format: WeightFormat;
  #state = 0x9e3779b9;

  constructor(config: ModelConfig, format: 'q4_0' | 'q4_1' | 'q8_0') {
    this.config = config;
    this.#format = format;
  }

  async layer(): Promise<DecoderLayer<GqaAttention>> {
    const { hidden_size, intermediate_size, num_attention_heads, num_key_value_heads, head_dim } =
      this.config;
    const q = num_attention_heads * head_dim;
    const kv = num_key_value_heads * head_dim;
    const bias = this.config.model_type === 'qwen2';
    return {
      input_layernorm: new Float32Array(hidden_size).fill(1),
      self_attn: {
        form: 'gqa',
        q_proj: this.#linear(q, hidden_size, bias),
        k_proj: this.#linear(kv, hidden_size, bias),
        v_proj: this.#linear(kv, hidden_size, bias),
        o_proj: this.#linear(hidden_size, q),
      },
      post_attention_layernorm: new Float32Array(hidden_size).fill(1),
      mlp: {
        gate_proj: this.#linear(intermediate_size, hidden_size),
        up_proj: this.#linear(intermediate_size, hidden_size),
        down_proj: this.#linear(hidden_size, intermediate_size),
      },
    };
  }

  async ends(): Promise<DecoderEnds> {
    const { vocab_size, hidden_size } = this.config;
    return {
      embed_tokens: this.#matrix(vocab_size, hidden_size),
      norm: new Float32Array(hidden_size).fill(1),
      lm_head: null,
    };
  }

  notes(): string[] {
    return ['The weights are random.'];
  }

  #linear(rows: number, cols: number, bias = false): Linear {
    return { pieces: [this.#matrix(rows, cols)], bias: bias ? new Float32Array(rows) : null };
  }

  /** Random quants under one scale that keeps activations near 1. */
  #matrix(rows: number, cols: number): PackedTensor {
    const tensor = emptyPacked(this.#format, rows, cols);
    const words = new Uint32Array(tensor.quants.buffer);
    let x = this.#state;
    for (let i = 0; i < words.length; i++) {
      // xorshift32 (Marsaglia, "Xorshift RNGs", JSS 8(14), 2003)
      x ^= x << 13;
      x ^= x >>> 17;
      x ^= x << 5;
      words[i] = x;
    }
    this.#state = x;
    const step = (this.#format === 'q8_0' ? 0.014 : 0.22) / Math.sqrt(cols);
    if (this.#format === 'q4_1') {
      tensor.scales.forEach((_, i) => {
        tensor.scales[i] = numberToF16(i % 2 === 0 ? step : -7.5 * step);
      });
    } else {
      tensor.scales.fill(numberToF16(step));
    }
    return tensor;
  }
}

import type { ModelConfig } from '../core/config.ts';
import { numberToF16 } from '../core/half.ts';
import { latentShape } from '../core/layers.ts';
import type {
  DecoderEnds,
  DecoderLayer,
  FoldableMla,
  GqaAttention,
  LatentForm,
  Linear,
} from '../core/layers.ts';
import { emptyPacked } from '../core/packed.ts';
import type { PackedTensor, WeightFormat } from '../core/packed.ts';
import type { LatentConfig, LatentLayer } from '../formats/latent_config.ts';
import { outputFolds, queryFolds } from '../model/fold.ts';
import type { DecoderSource } from './decoder_source.ts';

/** A model of a given shape with random weights, for measurements of speed: speed does not depend on what weights say. */
export class RandomDecoder implements DecoderSource {
  readonly config: ModelConfig;
  readonly latent: LatentConfig | null;
  readonly #format: WeightFormat;
  #state = 0x9e3779b9;

  /** @param latent MLA in this form, with a quarter of GQA's cache */
  constructor(config: ModelConfig, format: 'q4_0' | 'q4_1' | 'q8_0', latent?: LatentForm) {
    this.config = config;
    this.#format = format;
    this.latent = latent ? quarterOf(config, latent) : null;
  }

  async layer(): Promise<DecoderLayer<GqaAttention>> {
    const { hidden_size, num_attention_heads, num_key_value_heads, head_dim } = this.config;
    const q = num_attention_heads * head_dim;
    const kv = num_key_value_heads * head_dim;
    const bias = this.config.model_type === 'qwen2';
    return this.#around({
      form: 'gqa',
      q_proj: this.#linear(q, hidden_size, bias),
      k_proj: this.#linear(kv, hidden_size, bias),
      v_proj: this.#linear(kv, hidden_size, bias),
      o_proj: this.#linear(hidden_size, q),
    });
  }

  async latentLayer(_index: number, layer: LatentLayer, fold: boolean): Promise<DecoderLayer<FoldableMla>> {
    const { hidden_size, num_attention_heads: heads, num_key_value_heads: groups, head_dim } = this.config;
    const { row_dim, qk_dim, v_dim } = latentShape(layer);
    const bias = this.config.model_type === 'qwen2';
    const shape = { hidden: hidden_size, heads, head_dim, groups };
    const foldsQ = fold && queryFolds({ ...shape, width: qk_dim }, this.#format);
    const foldsO = fold && outputFolds({ ...shape, width: v_dim }, this.#format);
    const { qk_rope_head_dim: rope, kv_lora_rank } = layer;
    return this.#around({
      form: 'mla',
      ...layer,
      groups,
      q_proj: this.#linear(heads * (foldsQ ? qk_dim : head_dim), hidden_size, bias),
      kv_a_proj: this.#linear(row_dim, hidden_size, bias),
      embed_q: foldsQ ? null : this.#matrix(groups * qk_dim, head_dim),
      unembed_out: foldsO ? null : this.#matrix(groups * head_dim, v_dim),
      o_proj: this.#linear(hidden_size, heads * (foldsO ? v_dim : head_dim)),
      rope_pairs: Uint32Array.from({ length: rope / 2 }, (_, p) => p % (head_dim / 2)),
      rope_rebuild: layer.latent === 'recon' ? this.#linear(rope, kv_lora_rank) : null,
      rope_mean: null,
    });
  }

  #around<A>(self_attn: A): DecoderLayer<A> {
    const { hidden_size, intermediate_size } = this.config;
    return {
      input_layernorm: new Float32Array(hidden_size).fill(1),
      self_attn,
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

/** A quarter of GQA's values in every layer, up to half of a head of them rotated: the usual budget of a conversion. */
function quarterOf(config: ModelConfig, latent: LatentForm): LatentConfig {
  const values = (2 * config.num_key_value_heads * config.head_dim) / 4;
  const qk_rope_head_dim = values < config.head_dim * 1.5 ? config.head_dim / 4 : config.head_dim / 2;
  const kv_lora_rank = latent === 'recon' ? values : values - qk_rope_head_dim;
  const layer: LatentLayer = { latent, kv_lora_rank, qk_rope_head_dim, qk_offset: 0 };
  return {
    method: 'random',
    cacheDtype: 'f16',
    architecture: config.architecture,
    layers: Array.from({ length: config.num_hidden_layers }, () => layer),
  };
}

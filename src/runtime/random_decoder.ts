import { attentionShape } from '../convert/attention_shape.ts';
import { rowWidth } from '../convert/budget.ts';
import type { CacheFormat } from '../core/cache_rows.ts';
import type { ModelConfig } from '../core/config.ts';
import { WebMlaError } from '../core/errors.ts';
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
import { factorBytes, outputFolds, queryFolds } from '../model/fold.ts';
import type { DecoderSource } from './decoder_source.ts';

/** MLA in this form. kvBudget: its share of the f16 GQA cache, default a quarter; cacheDtype: what that is to hold, default f16. */
export interface RandomLatent {
  readonly form: LatentForm;
  readonly kvBudget?: number;
  readonly cacheDtype?: CacheFormat;
}

/** A model of a given shape with random weights, for measurements of speed: speed does not depend on what weights say. */
export class RandomDecoder implements DecoderSource {
  readonly config: ModelConfig;
  readonly latent: LatentConfig | null;
  readonly #format: WeightFormat;
  #at = 0;

  /** @throws WebMlaError `bad_request` for a budget that no row fits into */
  constructor(config: ModelConfig, format: 'q4_0' | 'q4_1' | 'q8_0', latent?: RandomLatent) {
    this.config = config;
    this.#format = format;
    this.latent = latent ? latentOf(config, latent) : null;
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
    const format = this.#format;
    const [queries, outputs] = [
      { ...shape, width: qk_dim },
      { ...shape, width: v_dim },
    ];
    const foldsQ = fold && queryFolds(queries, format, factorBytes(queries, 'queries', format));
    const foldsO = fold && outputFolds(outputs, format, factorBytes(outputs, 'outputs', format));
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
    for (let i = 0; i < words.length;) {
      const taken = randomWords().subarray(this.#at, this.#at + words.length - i);
      words.set(taken, i);
      i += taken.length;
      this.#at = (this.#at + taken.length) % RANDOM_WORDS;
    }
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

/** They repeat, since making all weights takes seconds. A prime, so that no two rows of a matrix begin at the same one. */
const RANDOM_WORDS = 1_048_573;

let random: Uint32Array<ArrayBuffer> | null = null;

function randomWords(): Uint32Array<ArrayBuffer> {
  if (random) return random;
  random = new Uint32Array(RANDOM_WORDS);
  let x = 0x9e3779b9;
  for (let i = 0; i < RANDOM_WORDS; i++) {
    // xorshift32 (Marsaglia, "Xorshift RNGs", JSS 8(14), 2003)
    x ^= x << 13;
    x ^= x >>> 17;
    x ^= x << 5;
    random[i] = x;
  }
  return random;
}

/** The row that the budget pays for, up to half of a head of it rotated: what a conversion usually finds. */
function latentOf(
  config: ModelConfig,
  { form, kvBudget = 0.25, cacheDtype = 'f16' }: RandomLatent,
): LatentConfig {
  const values = rowWidth(attentionShape(config), kvBudget, cacheDtype);
  // Kernels want pairs by fours.
  const rotated = values < config.head_dim * 1.5 ? config.head_dim / 4 : config.head_dim / 2;
  const qk_rope_head_dim = Math.max(8, 8 * Math.floor(rotated / 8));
  const kv_lora_rank = form === 'recon' ? values : values - qk_rope_head_dim;
  if (kv_lora_rank < 4) {
    throw new WebMlaError(
      'bad_request',
      `kvBudget: ${kvBudget} holds ${values} values a token, expected more than ${qk_rope_head_dim}, which are rope keys`,
    );
  }
  const layer: LatentLayer = { latent: form, kv_lora_rank, qk_rope_head_dim, qk_offset: 0 };
  return {
    method: 'random',
    cacheDtype,
    architecture: config.architecture,
    layers: Array.from({ length: config.num_hidden_layers }, () => layer),
  };
}

import type { MlaConfig, ModelConfig } from '../core/config.ts';
import { WebMlaError } from '../core/errors.ts';
import { latentShape } from '../core/layers.ts';
import type { DecoderEnds, DecoderLayer, FoldableMla, GqaAttention, Linear } from '../core/layers.ts';
import type { PackedTensor, WeightFormat } from '../core/packed.ts';
import { quantize } from '../core/quantize.ts';
import type { Checkpoint } from '../formats/checkpoint.ts';
import { asIsFormat, isKeptExactly, readFloats, readPacked } from '../formats/tensor_data.ts';
import type { LatentConfig, LatentLayer } from '../formats/latent_config.ts';
import { layerNames } from '../model/architecture.ts';
import { foldProjections } from '../model/fold.ts';
import type { Architecture } from '../model/family.ts';
import type { DecoderSource } from './decoder_source.ts';
import { deepseekAttention } from './deepseek_layer.ts';
import type { WeightChoice } from './types.ts';

/** Formats of `weights`: embeddings suffer most from few bits, so q4 keeps them at 8. */
const FORMATS: Readonly<
  Record<WeightChoice, { matrix: WeightFormat | 'as-is'; embedding: WeightFormat | 'as-is' }>
> = {
  'as-is': { matrix: 'as-is', embedding: 'as-is' },
  f32: { matrix: 'f32', embedding: 'f32' },
  f16: { matrix: 'f16', embedding: 'f16' },
  q8: { matrix: 'q8_0', embedding: 'q8_0' },
  q4: { matrix: 'q4_1', embedding: 'q8_0' },
};

/** Takes a decoder's tensors out of a checkpoint, with the shapes that its configuration asks for. */
export class WeightReader implements DecoderSource {
  readonly config: ModelConfig;
  readonly latent: LatentConfig | null;
  readonly #checkpoint: Checkpoint;
  readonly #architecture: Architecture;
  readonly #weights: WeightChoice;
  readonly #signal: AbortSignal | undefined;
  /** File types that 'as-is' could not keep, and how many tensors had them. */
  readonly #changed = new Map<string, number>();

  constructor(
    checkpoint: Checkpoint,
    architecture: Architecture,
    weights: WeightChoice,
    signal: AbortSignal | undefined,
  ) {
    this.#checkpoint = checkpoint;
    this.config = checkpoint.config;
    this.latent = checkpoint.latent;
    this.#architecture = architecture;
    this.#weights = weights;
    this.#signal = signal;
  }

  /** A layer as it was trained. */
  async layer(index: number): Promise<DecoderLayer<GqaAttention>> {
    const { hidden_size, num_attention_heads, num_key_value_heads, head_dim } = this.config;
    const names = layerNames(index);
    const q = num_attention_heads * head_dim;
    const kv = num_key_value_heads * head_dim;
    const { qkvBias } = this.#architecture;
    return this.#around(index, {
      form: 'gqa',
      q_proj: await this.#linear(names.q_proj, q, hidden_size, qkvBias),
      k_proj: await this.#linear(names.k_proj, kv, hidden_size, qkvBias),
      v_proj: await this.#linear(names.v_proj, kv, hidden_size, qkvBias),
      o_proj: await this.#linear(names.o_proj, hidden_size, q, 'optional'),
    });
  }

  /** A layer of a checkpoint that webmla converted (convert/latent_checkpoint.ts), or in DeepSeek's layout. */
  async latentLayer(index: number, layer: LatentLayer, fold: boolean): Promise<DecoderLayer<FoldableMla>> {
    if (this.config.mla) return this.#deepseekLayer(index, layer, this.config.mla, fold);
    const { hidden_size, num_attention_heads, num_key_value_heads: groups, head_dim } = this.config;
    const { row_dim, qk_dim, v_dim } = latentShape(layer);
    const { latent, kv_lora_rank, qk_rope_head_dim } = layer;
    const names = layerNames(index);
    const { embed_q, unembed_out, rope_mean } = names;
    const q = num_attention_heads * head_dim;
    const format = FORMATS[this.#weights].matrix;
    // What is to be multiplied is quantised behind that.
    const late = fold && (format === 'q8_0' || format === 'q4_1') ? format : null;
    const early = late ? 'f32' : format;
    const attention: FoldableMla = {
      form: 'mla',
      ...layer,
      groups,
      q_proj: await this.#linear(names.q_proj, q, hidden_size, 'optional', early),
      kv_a_proj: await this.#linear(names.kv_a_proj, row_dim, hidden_size, 'optional'),
      embed_q: await this.#matrix(`${embed_q}.weight`, groups * qk_dim, head_dim, early),
      unembed_out: await this.#matrix(`${unembed_out}.weight`, groups * head_dim, v_dim, early),
      o_proj: await this.#linear(names.o_proj, hidden_size, q, 'optional', early),
      rope_pairs: await this.#ropePairs(names.rope_pairs, qk_rope_head_dim / 2),
      rope_rebuild:
        latent === 'recon' && qk_rope_head_dim > 0
          ? await this.#linear(names.rope_rebuild, qk_rope_head_dim, kv_lora_rank, 'optional')
          : null,
      rope_mean:
        latent === 'reuse' && this.#checkpoint.tensors.has(rope_mean)
          ? await this.#vector(rope_mean, qk_rope_head_dim)
          : null,
    };
    return this.#around(index, fold ? foldProjections(attention, num_attention_heads, late) : attention);
  }

  async #deepseekLayer(
    index: number,
    layer: LatentLayer,
    mla: MlaConfig,
    fold: boolean,
  ): Promise<DecoderLayer<FoldableMla>> {
    const { matrix } = FORMATS[this.#weights];
    const { input_layernorm } = layerNames(index);
    const { hidden_size, num_attention_heads } = this.config;
    const inputNorm = await this.#vector(`${input_layernorm}.weight`, hidden_size);
    const prefix = `model.layers.${index}.self_attn`;
    const attention = await deepseekAttention(this.config, mla, layer, prefix, inputNorm, {
      linear: (name, rows, cols) => this.#linear(name, rows, cols, 'optional'),
      floats: async (name, shape) => readFloats(this.#entry(name), shape, this.#signal),
      packed: (rows, cols, value): PackedTensor => {
        const values = Float32Array.from({ length: rows * cols }, (_, i) =>
          value(Math.floor(i / cols), i % cols),
        );
        return quantize(values, rows, cols, matrix === 'as-is' ? 'f32' : matrix);
      },
    });
    return this.#around(index, fold ? foldProjections(attention, num_attention_heads, null) : attention);
  }

  async #around<A>(index: number, self_attn: A): Promise<DecoderLayer<A>> {
    const { hidden_size, intermediate_size } = this.config;
    const names = layerNames(index);
    return {
      input_layernorm: await this.#vector(`${names.input_layernorm}.weight`, hidden_size),
      self_attn,
      post_attention_layernorm: await this.#vector(`${names.post_attention_layernorm}.weight`, hidden_size),
      mlp: {
        gate_proj: await this.#linear(names.gate_proj, intermediate_size, hidden_size, 'optional'),
        up_proj: await this.#linear(names.up_proj, intermediate_size, hidden_size, 'optional'),
        down_proj: await this.#linear(names.down_proj, hidden_size, intermediate_size, 'optional'),
      },
    };
  }

  async ends(): Promise<DecoderEnds> {
    const { hidden_size, vocab_size } = this.config;
    const table = async (name: string): Promise<Linear['pieces'][number]> =>
      this.#matrix(name, vocab_size, hidden_size, FORMATS[this.#weights].embedding);
    return {
      embed_tokens: await table('model.embed_tokens.weight'),
      norm: await this.#vector('model.norm.weight', hidden_size),
      lm_head: this.config.tie_word_embeddings ? null : await table('lm_head.weight'),
    };
  }

  /** What was chosen for the user, in words. */
  notes(): string[] {
    return [...this.#changed].map(
      ([dtype, count]) =>
        `${count} tensors of type ${dtype} are read as ${asIsFormat(dtype)}: no kernel reads ${dtype} itself`,
    );
  }

  async #linear(
    name: string,
    rows: number,
    cols: number,
    bias: Architecture['qkvBias'],
    format = FORMATS[this.#weights].matrix,
  ): Promise<Linear> {
    const piece = await this.#matrix(`${name}.weight`, rows, cols, format);
    const hasBias = bias === 'required' || this.#checkpoint.tensors.has(`${name}.bias`);
    return { pieces: [piece], bias: hasBias ? await this.#vector(`${name}.bias`, rows) : null };
  }

  async #matrix(
    name: string,
    rows: number,
    cols: number,
    format: WeightFormat | 'as-is',
  ): Promise<Linear['pieces'][number]> {
    const entry = this.#entry(name);
    if (format === 'as-is' && !isKeptExactly(entry.dtype)) {
      this.#changed.set(entry.dtype, (this.#changed.get(entry.dtype) ?? 0) + 1);
    }
    return readPacked(entry, [rows, cols], format, this.#signal);
  }

  async #vector(name: string, length: number): Promise<Float32Array<ArrayBuffer>> {
    return readFloats(this.#entry(name), [length], this.#signal);
  }

  /** @throws WebMlaError `bad_tensor` for what is no frequency */
  async #ropePairs(name: string, pairs: number): Promise<Uint32Array<ArrayBuffer>> {
    if (pairs === 0) return new Uint32Array(0);
    const values = await this.#vector(name, pairs);
    const frequencies = this.config.head_dim / 2;
    const wrong = values.find((f) => !Number.isInteger(f) || f < 0 || f >= frequencies);
    if (wrong !== undefined) {
      throw new WebMlaError(
        'bad_tensor',
        `${name}: expected frequencies from 0 to ${frequencies - 1}, got ${wrong}`,
      );
    }
    return Uint32Array.from(values);
  }

  #entry(name: string): Parameters<typeof readFloats>[0] {
    const entry = this.#checkpoint.tensors.get(name);
    if (entry) return entry;
    throw new WebMlaError(
      'missing_file',
      `${this.#checkpoint.name}: expected a tensor ${name}, got none`,
      'The checkpoint is incomplete, or of another architecture than its configuration says.',
      { tensor: name },
    );
  }
}

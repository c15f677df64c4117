import { WebMlaError } from '../core/errors.ts';
import type { DecoderEnds, DecoderLayer, GqaAttention, Linear } from '../core/layers.ts';
import type { WeightFormat } from '../core/packed.ts';
import type { Checkpoint } from '../formats/checkpoint.ts';
import { asIsFormat, isKeptExactly, readFloats, readPacked } from '../formats/tensor_data.ts';
import { layerNames } from '../model/architecture.ts';
import type { Architecture } from '../model/family.ts';
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
export class WeightReader {
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
    this.#architecture = architecture;
    this.#weights = weights;
    this.#signal = signal;
  }

  async layer(index: number): Promise<DecoderLayer<GqaAttention>> {
    const { hidden_size, intermediate_size, num_attention_heads, num_key_value_heads, head_dim } =
      this.#checkpoint.config;
    const names = layerNames(index);
    const q = num_attention_heads * head_dim;
    const kv = num_key_value_heads * head_dim;
    const qkvBias = this.#architecture.qkvBias;
    return {
      input_layernorm: await this.#vector(`${names.input_layernorm}.weight`, hidden_size),
      self_attn: {
        form: 'gqa',
        q_proj: await this.#linear(names.q_proj, q, hidden_size, qkvBias),
        k_proj: await this.#linear(names.k_proj, kv, hidden_size, qkvBias),
        v_proj: await this.#linear(names.v_proj, kv, hidden_size, qkvBias),
        o_proj: await this.#linear(names.o_proj, hidden_size, q, 'optional'),
      },
      post_attention_layernorm: await this.#vector(`${names.post_attention_layernorm}.weight`, hidden_size),
      mlp: {
        gate_proj: await this.#linear(names.gate_proj, intermediate_size, hidden_size, 'optional'),
        up_proj: await this.#linear(names.up_proj, intermediate_size, hidden_size, 'optional'),
        down_proj: await this.#linear(names.down_proj, hidden_size, intermediate_size, 'optional'),
      },
    };
  }

  async ends(): Promise<DecoderEnds> {
    const { hidden_size, vocab_size } = this.#checkpoint.config;
    const table = async (name: string): Promise<Linear['pieces'][number]> =>
      this.#matrix(name, vocab_size, hidden_size, FORMATS[this.#weights].embedding);
    return {
      embed_tokens: await table('model.embed_tokens.weight'),
      norm: await this.#vector('model.norm.weight', hidden_size),
      lm_head: this.#checkpoint.config.tie_word_embeddings ? null : await table('lm_head.weight'),
    };
  }

  /** What was chosen for the user, in words. */
  notes(): string[] {
    return [...this.#changed].map(
      ([dtype, count]) =>
        `${count} tensors of type ${dtype} are read as ${asIsFormat(dtype)}: no kernel reads ${dtype} itself`,
    );
  }

  async #linear(name: string, rows: number, cols: number, bias: Architecture['qkvBias']): Promise<Linear> {
    const piece = await this.#matrix(`${name}.weight`, rows, cols, FORMATS[this.#weights].matrix);
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

import type { DecoderEnds, DecoderLayer, Linear, MlaAttention } from '../core/layers.ts';
import { concatRows, unpack } from '../core/packed.ts';
import type { PackedTensor } from '../core/packed.ts';
import { quantize } from '../core/quantize.ts';
import { matrixTensors, packedMetadata } from '../formats/packed_checkpoint.ts';
import { writeSafetensors } from '../formats/safetensors_writer.ts';
import type { TensorBytes, TensorToWrite } from '../formats/safetensors_writer.ts';

/**
 * webmla's own layout of a converted checkpoint: safetensors under the names of Hugging Face, only that an attention layer has
 *   q_proj, kv_a_proj, o_proj            .weight [, .bias]
 *   embed_q.weight, unembed_out.weight   [groups * qk_dim, head_dim], [groups * head_dim, v_dim]
 *   rope_pairs                           I32 [qk_rope_head_dim / 2]
 *   rope_rebuild.weight, .bias           recon;    rope_mean   reuse, where there is one
 * Widths are in config.json (formats/latent_config.ts). Quantised matrices are stored as they run (formats/packed_checkpoint.ts).
 */
export class LatentCheckpointWriter {
  readonly #keep: (bytes: Uint8Array<ArrayBuffer>) => TensorBytes;
  readonly #shapes = new Map<string, Pick<PackedTensor, 'format' | 'rows' | 'cols'>>();
  readonly #tensors: TensorToWrite<TensorBytes>[] = [];

  /** @param keep where bytes stay until they are written; default: in memory */
  constructor(keep: (bytes: Uint8Array<ArrayBuffer>) => TensorBytes = (bytes) => bytes) {
    this.#keep = keep;
  }

  layer(index: number, layer: DecoderLayer<MlaAttention>): void {
    const prefix = `model.layers.${index}`;
    const { self_attn, mlp } = layer;
    this.#vector(`${prefix}.input_layernorm.weight`, layer.input_layernorm);
    this.#vector(`${prefix}.post_attention_layernorm.weight`, layer.post_attention_layernorm);
    for (const [name, linear] of Object.entries(mlp)) this.#linear(`${prefix}.mlp.${name}`, linear);
    const attention = `${prefix}.self_attn`;
    for (const name of ['q_proj', 'kv_a_proj', 'o_proj'] as const) {
      this.#linear(`${attention}.${name}`, self_attn[name]);
    }
    this.#matrix(`${attention}.embed_q.weight`, self_attn.embed_q);
    this.#matrix(`${attention}.unembed_out.weight`, self_attn.unembed_out);
    if (self_attn.rope_rebuild) this.#linear(`${attention}.rope_rebuild`, self_attn.rope_rebuild);
    if (self_attn.rope_mean) this.#vector(`${attention}.rope_mean`, self_attn.rope_mean);
    const { rope_pairs } = self_attn;
    this.#tensors.push({
      name: `${attention}.rope_pairs`,
      dtype: 'I32',
      shape: [rope_pairs.length],
      data: new Uint8Array(rope_pairs.slice().buffer),
    });
  }

  ends({ embed_tokens, norm, lm_head }: DecoderEnds): void {
    this.#matrix('model.embed_tokens.weight', embed_tokens);
    if (lm_head) this.#matrix('lm_head.weight', lm_head);
    this.#vector('model.norm.weight', norm);
  }

  /** Parts of model.safetensors, in order. */
  parts(): TensorBytes[] {
    return writeSafetensors(this.#tensors, packedMetadata(this.#shapes));
  }

  #linear(name: string, { pieces, bias }: Linear): void {
    this.#matrix(`${name}.weight`, oneMatrix(pieces));
    if (bias) this.#vector(`${name}.bias`, bias);
  }

  #matrix(name: string, matrix: PackedTensor): void {
    const { format, rows, cols } = matrix;
    this.#shapes.set(name, { format, rows, cols });
    for (const tensor of matrixTensors(name, matrix))
      this.#tensors.push({ ...tensor, data: this.#keep(tensor.data) });
  }

  #vector(name: string, values: Float32Array): void {
    this.#tensors.push({
      name,
      dtype: 'F32',
      shape: [values.length],
      data: new Uint8Array(values.slice().buffer),
    });
  }
}

/** Pieces of different formats meet as f32, which is exact. */
function oneMatrix(pieces: readonly PackedTensor[]): PackedTensor {
  const [first] = pieces;
  if (first && pieces.length === 1) return first;
  const alike = new Set(pieces.map(({ format }) => format)).size === 1;
  return concatRows(alike ? pieces : pieces.map((p) => quantize(unpack(p), p.rows, p.cols, 'f32')));
}

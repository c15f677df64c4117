import { cacheBytesPerToken } from '../core/cache_rows.ts';
import { latentShape } from '../core/layers.ts';
import type { DecoderLayer, Linear, MlaAttention } from '../core/layers.ts';
import { unpack } from '../core/packed.ts';
import type { PackedTensor, WeightFormat } from '../core/packed.ts';
import { quantize } from '../core/quantize.ts';
import type { LatentConfig } from '../formats/latent_config.ts';
import type { DecoderSource } from './decoder_source.ts';
import type { WeightReader } from './weight_reader.ts';

/** The matrices that the conversion made, in the format that they are stored in. */
export function rounded(layer: DecoderLayer<MlaAttention>, format: WeightFormat): DecoderLayer<MlaAttention> {
  const { self_attn } = layer;
  const { kv_a_proj, o_proj, embed_q, unembed_out, rope_rebuild } = self_attn;
  const matrix = (tensor: PackedTensor): PackedTensor =>
    tensor.format === 'f32' && format !== 'f32'
      ? quantize(unpack(tensor), tensor.rows, tensor.cols, format)
      : tensor;
  const linear = ({ pieces, bias }: Linear): Linear => ({ pieces: pieces.map(matrix), bias });
  return {
    ...layer,
    self_attn: {
      ...self_attn,
      kv_a_proj: linear(kv_a_proj),
      o_proj: linear(o_proj),
      embed_q: matrix(embed_q),
      unembed_out: matrix(unembed_out),
      rope_rebuild: rope_rebuild && linear(rope_rebuild),
    },
  };
}

/** The layers that a conversion made, to be loaded at once. */
export function retainedDecoder(
  reader: WeightReader,
  made: readonly DecoderLayer<MlaAttention>[],
): DecoderSource {
  return {
    config: reader.config,
    latent: null,
    layer: async (index) => reader.layer(index),
    ends: async () => reader.ends(),
    notes: () => reader.notes(),
    convertedLayer: async (index) => {
      const layer = made[index];
      if (!layer) throw new RangeError(`layer ${index}: expected one of ${made.length}`);
      return layer;
    },
  };
}

/** Bytes of the cache that a token takes in all layers, scales counted. */
export function cachedBytes({ layers, cacheDtype }: LatentConfig): number {
  return layers.reduce((sum, layer) => {
    const { row_dim } = latentShape(layer);
    return sum + cacheBytesPerToken({ groups: 1, row_dim, split_dim: layer.kv_lora_rank }, cacheDtype);
  }, 0);
}

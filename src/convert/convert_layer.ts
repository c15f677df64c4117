import type { GqaAttention, MlaAttention } from '../core/layers.ts';
import { latentShape } from '../core/layers.ts';
import { packedElements } from './linear_weights.ts';
import { attentionShape, checkStatistics } from './attention_shape.ts';
import type { AttentionConfig, AttentionShape } from './attention_shape.ts';
import type { LatentMaps, MethodOutcome } from './latent_maps.ts';
import { weightOf } from './linear_weights.ts';
import { convertMha2mla } from './mha2mla.ts';
import type { Mha2mlaOptions } from './mha2mla.ts';
import { forQuantisedCache } from './quantised_cache.ts';
import type { LayerReport } from './report.ts';
import type { LayerStatistics } from './statistics.ts';
import { toMlaAttention } from './to_attention.ts';
import { convertTransmla } from './transmla.ts';
import type { TransmlaOptions } from './transmla.ts';
import { convertWebmla } from './webmla.ts';
import type { WebmlaOptions } from './webmla.ts';
import { webmlaProblem } from './webmla_problem.ts';

/** A method and its budget. */
export type MethodOptions = WebmlaOptions | TransmlaOptions | Mha2mlaOptions;

export interface ConvertOptions {
  /** The cache will be kept in int8 or int4: maps are folded so that it can be. */
  readonly quantisedCache?: boolean;
}

/**
 * A GQA layer with a latent cache instead: synchronous, deterministic, f64 inside.
 * @returns maps as the method made them, before they were folded for a quantised cache
 */
export function convertLayer(
  config: AttentionConfig,
  layer: number,
  attention: GqaAttention,
  statistics: LayerStatistics,
  method: MethodOptions,
  { quantisedCache = false }: ConvertOptions = {},
): { attention: MlaAttention; maps: LatentMaps; report: LayerReport } {
  const shape = attentionShape(config);
  checkStatistics(shape, statistics);
  const { maps, ...outcome } = outcomeOf(shape, attention, statistics, method);
  const converted = attentionOf(shape, attention, maps, statistics, { quantisedCache });
  const { kv_lora_rank, qk_rope_head_dim, latent, embed_q, unembed_out, rope_rebuild } = converted;
  return {
    attention: converted,
    maps,
    report: {
      layer,
      method: method.method,
      form: latent,
      kv_lora_rank,
      qk_rope_head_dim,
      ropePairs: Array.from(maps.pairs),
      gqaValues: 2 * shape.width,
      mlaValues: latentShape(converted).row_dim,
      addedWeights: packedElements(embed_q, unembed_out, ...(rope_rebuild?.pieces ?? [])),
      ...outcome,
    },
  };
}

/** Maps that a method made as a layer, folded first where the cache will be quantised. */
export function attentionOf(
  shape: AttentionShape,
  attention: GqaAttention,
  maps: LatentMaps,
  { plain }: LayerStatistics,
  { quantisedCache = false }: ConvertOptions,
): MlaAttention {
  const folded = quantisedCache ? forQuantisedCache(maps, plain.mean) : maps;
  return toMlaAttention(folded, shape, attention);
}

function outcomeOf(
  shape: AttentionShape,
  attention: GqaAttention,
  statistics: LayerStatistics,
  method: MethodOptions,
): MethodOutcome {
  switch (method.method) {
    case 'webmla':
      return convertWebmla(
        webmlaProblem(shape, weightOf(attention.o_proj), statistics, method.tokens ?? 'attended'),
        method,
      );
    case 'transmla':
      return convertTransmla(shape, statistics, method);
    case 'mha2mla':
      return convertMha2mla(shape, attention, statistics, method);
  }
}

import { fileURLToPath } from 'node:url';
import type { ModelConfig } from '../../../src/core/config.ts';
import type { DecoderEnds, DecoderLayer, GqaAttention } from '../../../src/core/layers.ts';
import { cosSinTable, ropeAttentionFactor, ropeFrequencies } from '../../../src/core/rope.ts';
import { convertLayer } from '../../../src/convert/convert_layer.ts';
import type { ConvertOptions, MethodOptions } from '../../../src/convert/convert_layer.ts';
import type { LayerReport } from '../../../src/convert/report.ts';
import type { LayerStatistics } from '../../../src/convert/statistics.ts';
import { gatherStatistics } from '../../../src/reference/layer_statistics.ts';
import { runModel } from '../../../src/reference/model.ts';
import { readDecoder } from '../../layers.ts';

/** A tiny checkpoint with the statistics of all its layers, by the CPU twin. */
export interface Calibrated {
  readonly config: ModelConfig;
  readonly ends: DecoderEnds;
  readonly layers: readonly DecoderLayer<GqaAttention>[];
  readonly statistics: readonly LayerStatistics[];
}

export async function calibrated(
  name: string,
  sequences: readonly (readonly number[])[],
): Promise<Calibrated> {
  const folder = fileURLToPath(new URL(`../../fixtures/${name}`, import.meta.url));
  const { config, layers, ends } = await readDecoder(folder);
  const inputs = layers.map((): Float32Array[] => []);
  for (const ids of sequences) {
    runModel(config, ends, layers, ids, 'gqa', (layer, x) => inputs[layer]!.push(x));
  }
  const inv_freq = ropeFrequencies(config);
  const longest = Math.max(...sequences.map((ids) => ids.length));
  const table = cosSinTable(inv_freq, longest, ropeAttentionFactor(config.rope_scaling));
  const statistics = layers.map(({ self_attn }, i) =>
    gatherStatistics(config, self_attn, inputs[i]!, inv_freq, table),
  );
  return { config, ends, layers, statistics };
}

/** Logits [ids, vocab_size] with all layers converted. */
export function convertedLogits(
  { config, ends, layers, statistics }: Calibrated,
  ids: readonly number[],
  method: MethodOptions,
  form: 'naive' | 'absorbed' = 'absorbed',
  options: ConvertOptions = {},
): { logits: Float32Array; reports: LayerReport[] } {
  const made = layers.map((layer, i) => {
    const { attention, report } = convertLayer(config, i, layer.self_attn, statistics[i]!, method, options);
    return { layer: { ...layer, self_attn: attention }, report };
  });
  const logits = runModel(
    config,
    ends,
    made.map(({ layer }) => layer),
    ids,
    form,
  );
  return { logits, reports: made.map(({ report }) => report) };
}

/** Largest difference, in units of the largest value. */
export function relative(a: ArrayLike<number>, b: ArrayLike<number>): number {
  if (a.length !== b.length) return Infinity;
  let [most, scale] = [0, 1e-30];
  for (let i = 0; i < b.length; i++) {
    const difference = Math.abs(a[i]! - b[i]!);
    most = Number.isNaN(difference) ? Infinity : Math.max(most, difference);
    scale = Math.max(scale, Math.abs(b[i]!));
  }
  return most / scale;
}

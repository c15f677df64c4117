import { openNodeFiles } from '../src/cli/node_files.ts';
import type { ModelConfig } from '../src/core/config.ts';
import type { DecoderEnds, DecoderLayer, GqaAttention } from '../src/core/layers.ts';
import { openCheckpoint } from '../src/formats/open_checkpoint.ts';
import { architectureOf } from '../src/model/architecture.ts';
import { WeightReader } from '../src/runtime/weight_reader.ts';

/** A whole checkpoint in memory, for the oracle. */
export async function readDecoder(path: string): Promise<{
  config: ModelConfig;
  layers: DecoderLayer<GqaAttention>[];
  ends: DecoderEnds;
}> {
  const checkpoint = await openCheckpoint(await openNodeFiles(path));
  const reader = new WeightReader(checkpoint, architectureOf(checkpoint.config), 'f32', undefined);
  const layers: DecoderLayer<GqaAttention>[] = [];
  for (let i = 0; i < checkpoint.config.num_hidden_layers; i++) layers.push(await reader.layer(i));
  return { config: checkpoint.config, layers, ends: await reader.ends() };
}

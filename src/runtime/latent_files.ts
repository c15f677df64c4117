import type { DeepseekWriter } from '../convert/deepseek.ts';
import type { LatentCheckpointWriter } from '../convert/latent_checkpoint.ts';
import type { Checkpoint } from '../formats/checkpoint.ts';
import type { JsonObject } from '../formats/json_source.ts';
import { latentConfigJson } from '../formats/latent_config.ts';
import type { TensorBytes } from '../formats/safetensors_writer.ts';
import type { LatentConfig } from '../formats/latent_config.ts';
import { tokenizerFilesOf } from './tokenizer_of.ts';

/** Files by name; in parts, which lie one after another. */
export type ModelFolder = ReadonlyMap<string, readonly (TensorBytes | string)[]>;

/** Everything that a folder needs to be a model: weights, configuration, tokenizer. */
export function latentFiles(
  checkpoint: Checkpoint,
  latent: LatentConfig,
  writer: LatentCheckpointWriter,
): ModelFolder {
  const { rawConfig, config } = checkpoint;
  const original = { ...rawConfig, tie_word_embeddings: config.tie_word_embeddings };
  return folderOf(checkpoint, writer.parts(), latentConfigJson(original, latent));
}

/** The same in DeepSeek-V3's layout. */
export function deepseekFiles(checkpoint: Checkpoint, writer: DeepseekWriter): ModelFolder {
  return folderOf(checkpoint, writer.parts(), writer.configJson(checkpoint.rawConfig));
}

/** config.json comes last: a folder without it is not taken for a model. */
function folderOf(checkpoint: Checkpoint, weights: readonly TensorBytes[], config: JsonObject): ModelFolder {
  const json = (value: unknown): string[] => [JSON.stringify(value, null, 2)];
  const files = new Map<string, readonly (TensorBytes | string)[]>([['model.safetensors', weights]]);
  // An empty one would tell transformers that nothing ends a text.
  const generation = { ...checkpoint.generation, ...checkpoint.rawGeneration };
  if (Object.keys(generation).length > 0) files.set('generation_config.json', json(generation));
  const tokenizer = tokenizerFilesOf(checkpoint);
  if (tokenizer) {
    files.set('tokenizer.json', [JSON.stringify(tokenizer.tokenizerJson)]);
    files.set('tokenizer_config.json', json(tokenizer.tokenizerConfig));
  }
  files.set('config.json', json(config));
  return files;
}

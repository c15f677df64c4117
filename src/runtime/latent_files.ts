import type { LatentCheckpointWriter } from '../convert/latent_checkpoint.ts';
import type { Checkpoint } from '../formats/checkpoint.ts';
import { latentConfigJson } from '../formats/latent_config.ts';
import type { LatentConfig } from '../formats/latent_config.ts';
import { tokenizerFilesOf } from './tokenizer_of.ts';

/** Files by name; in parts, which lie one after another. */
export type ModelFolder = ReadonlyMap<string, readonly (Uint8Array<ArrayBuffer> | string)[]>;

/** Everything that a folder needs to be a model: weights, configuration, tokenizer. config.json comes last. */
export function latentFiles(
  checkpoint: Checkpoint,
  latent: LatentConfig,
  writer: LatentCheckpointWriter,
): ModelFolder {
  const { rawConfig, config, generation } = checkpoint;
  const json = (value: unknown): string[] => [JSON.stringify(value, null, 2)];
  const configJson = latentConfigJson(
    { ...rawConfig, tie_word_embeddings: config.tie_word_embeddings },
    latent,
  );
  const files = new Map<string, readonly (Uint8Array<ArrayBuffer> | string)[]>([
    ['model.safetensors', writer.parts()],
    ['generation_config.json', json(generation)],
  ]);
  const tokenizer = tokenizerFilesOf(checkpoint);
  if (tokenizer) {
    files.set('tokenizer.json', [JSON.stringify(tokenizer.tokenizerJson)]);
    files.set('tokenizer_config.json', json(tokenizer.tokenizerConfig));
  }
  // A folder without it is not taken for a model.
  files.set('config.json', json(configJson));
  return files;
}

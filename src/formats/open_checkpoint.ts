import { WebMlaError } from '../core/errors.ts';
import type { Checkpoint } from './checkpoint.ts';
import { openGgufCheckpoint } from './gguf_checkpoint.ts';
import { readGeneration } from './generation_file.ts';
import { parseConfig, parseGenerationConfig } from './hf_config.ts';
import { byHfName, tieEmbeddings } from './hf_names.ts';
import { readJsonObject } from './json_source.ts';
import { parseLatentConfig } from './latent_config.ts';
import type { ModelFiles } from './model_files.ts';
import { openSafetensorsTensors } from './safetensors_shards.ts';
import { readTokenizerFiles } from './tokenizer_files.ts';

/**
 * Opens a model: reads configuration, tokenizer files and headers, no weights.
 * @throws WebMlaError `missing_file`, `bad_file`, `unsupported`, and what the files throw (`network`, `storage`, `aborted`)
 */
export async function openCheckpoint(files: ModelFiles, signal?: AbortSignal): Promise<Checkpoint> {
  return files.ggufPath === null
    ? openSafetensorsCheckpoint(files, signal)
    : openGgufCheckpoint(files, files.ggufPath, signal);
}

async function openSafetensorsCheckpoint(files: ModelFiles, signal?: AbortSignal): Promise<Checkpoint> {
  const configFile = await files.open('config.json', signal);
  if (!configFile) {
    throw new WebMlaError(
      'missing_file',
      `${files.name}: expected config.json, got no such file`,
      'A model is a folder in Hugging Face layout (config.json, *.safetensors, tokenizer.json) or one .gguf file.',
    );
  }
  const rawConfig = await readJsonObject(configFile, signal);
  const config = parseConfig(rawConfig, configFile.name);
  const fileTensors = await openSafetensorsTensors(files, signal);
  const tensors = byHfName(fileTensors);
  const rawGeneration = await readGeneration(files, signal);
  const tie_word_embeddings = await tieEmbeddings(tensors, config, signal);
  return {
    name: files.name,
    kind: 'safetensors',
    config: { ...config, tie_word_embeddings },
    rawConfig,
    latent: parseLatentConfig(rawConfig, config, configFile.name),
    generation: parseGenerationConfig(rawGeneration),
    rawGeneration,
    tokenizerFiles: await readTokenizerFiles(files, signal),
    ggufMetadata: null,
    tensors,
    fileTensors,
  };
}

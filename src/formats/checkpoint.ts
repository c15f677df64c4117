import type { GenerationConfig, ModelConfig } from '../core/config.ts';
import { WebMlaError } from '../core/errors.ts';
import { openGgufCheckpoint } from './gguf_checkpoint.ts';
import { readGeneration } from './generation_file.ts';
import { parseConfig } from './hf_config.ts';
import { byHfName, tieEmbeddings } from './hf_names.ts';
import { readJsonObject } from './json_source.ts';
import type { JsonObject } from './json_source.ts';
import type { ModelFiles } from './model_files.ts';
import { openSafetensorsTensors } from './safetensors_shards.ts';
import type { TensorEntry } from './tensor_entry.ts';
import { readTokenizerFiles } from './tokenizer_files.ts';
import type { TokenizerFiles } from './tokenizer_files.ts';

/** A model that was opened: its configuration, and where its tensors lie. */
export interface Checkpoint {
  readonly name: string;
  readonly kind: 'safetensors' | 'gguf';
  readonly config: ModelConfig;
  /** config.json as it stands; of a GGUF, its metadata under the names of config.json. */
  readonly rawConfig: JsonObject;
  readonly generation: GenerationConfig;
  /** null when there is no tokenizer.json; of a GGUF then see ggufMetadata. */
  readonly tokenizerFiles: TokenizerFiles | null;
  readonly ggufMetadata: JsonObject | null;
  /**
   * By HF name. model.embed_tokens.weight is always the embedding, and lm_head.weight is there only when it is a matrix
   * of its own (config.tie_word_embeddings says the same).
   */
  readonly tensors: ReadonlyMap<string, TensorEntry>;
  /** What the files hold, under their own names and each once: for inspection and counting. */
  readonly fileTensors: readonly TensorEntry[];
}

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
  const tie_word_embeddings = await tieEmbeddings(tensors, config, signal);
  return {
    name: files.name,
    kind: 'safetensors',
    config: { ...config, tie_word_embeddings },
    rawConfig,
    generation: await readGeneration(files, signal),
    tokenizerFiles: await readTokenizerFiles(files, signal),
    ggufMetadata: null,
    tensors,
    fileTensors,
  };
}

/** Elements of all tensors of the files. */
export function parameterCount(checkpoint: Pick<Checkpoint, 'fileTensors'>): number {
  return checkpoint.fileTensors.reduce((sum, { shape }) => sum + shape.reduce((a, b) => a * b, 1), 0);
}

import type { GenerationConfig, ModelConfig } from '../core/config.ts';
import type { JsonObject } from './json_source.ts';
import type { LatentConfig } from './latent_config.ts';
import type { TensorEntry } from './tensor_entry.ts';
import type { TokenizerFiles } from './tokenizer_files.ts';

/** A model that was opened: its configuration, and where its tensors lie. */
export interface Checkpoint {
  readonly name: string;
  readonly kind: 'safetensors' | 'gguf';
  readonly config: ModelConfig;
  /** config.json as it stands; of a GGUF, its metadata under the names of config.json. */
  readonly rawConfig: JsonObject;
  /** Of a checkpoint that webmla converted: what its layers are. null: GQA, as trained. */
  readonly latent: LatentConfig | null;
  readonly generation: GenerationConfig;
  /** generation_config.json as it stands; {} when there is none. */
  readonly rawGeneration: JsonObject;
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

/** Elements of all tensors of the files. */
export function parameterCount(checkpoint: Pick<Checkpoint, 'fileTensors'>): number {
  return checkpoint.fileTensors.reduce((sum, { shape }) => sum + shape.reduce((a, b) => a * b, 1), 0);
}

import { convertExact } from '../convert/exact.ts';
import { LatentCheckpointWriter } from '../convert/latent_checkpoint.ts';
import type { LayerReport } from '../convert/report.ts';
import { throwIfAborted, WebMlaError } from '../core/errors.ts';
import type { Checkpoint } from '../formats/checkpoint.ts';
import { latentConfigJson } from '../formats/latent_config.ts';
import type { LatentConfig, LatentLayer } from '../formats/latent_config.ts';
import { architectureOf } from '../model/architecture.ts';
import { tokenizerFilesOf } from './tokenizer_of.ts';
import type { LoadProgress, WeightChoice } from './types.ts';
import { WeightReader } from './weight_reader.ts';

export interface ConvertOptions {
  readonly method: 'exact';
  /** What the result is for; a default when it runs. */
  readonly cacheDtype: LatentConfig['cacheDtype'];
  /** Of matrices that the conversion leaves alone. */
  readonly weights: WeightChoice;
  readonly onProgress: (progress: LoadProgress) => void;
  readonly signal?: AbortSignal;
}

/** A converted checkpoint as the files of a folder. */
export interface ConvertedModel {
  readonly latent: LatentConfig;
  readonly reports: readonly LayerReport[];
  /** By name; in parts, which lie one after another. */
  readonly files: ReadonlyMap<string, readonly (Uint8Array<ArrayBuffer> | string)[]>;
  readonly convertMs: number;
}

/**
 * Converts a whole checkpoint.
 * @throws WebMlaError `unsupported` for what is not GQA, and what reading throws
 */
export async function convertModel(
  checkpoint: Checkpoint,
  { method, cacheDtype, weights, onProgress, signal }: ConvertOptions,
): Promise<ConvertedModel> {
  const { config, name } = checkpoint;
  if (checkpoint.latent) {
    throw new WebMlaError(
      'unsupported',
      `${name}: expected a GQA checkpoint, got one that is converted already`,
    );
  }
  const reader = new WeightReader(checkpoint, architectureOf(config), weights, signal);
  const writer = new LatentCheckpointWriter();
  const layers: LatentLayer[] = [];
  const reports: LayerReport[] = [];
  let convertMs = 0;
  for (let i = 0; i < config.num_hidden_layers; i++) {
    throwIfAborted(signal);
    const original = await reader.layer(i);
    const started = performance.now();
    const { attention, report } = convertExact(config, i, original.self_attn);
    convertMs += performance.now() - started;
    writer.layer(i, { ...original, self_attn: attention });
    const { latent, kv_lora_rank, qk_rope_head_dim, qk_offset } = attention;
    layers.push({ latent, kv_lora_rank, qk_rope_head_dim, qk_offset });
    reports.push(report);
    onProgress({ stage: 'convert', loaded: i + 1, total: config.num_hidden_layers, unit: 'layers' });
  }
  writer.ends(await reader.ends());
  const latent: LatentConfig = { method, cacheDtype, architecture: config.architecture, layers };
  return { latent, reports, convertMs, files: filesOf(checkpoint, latent, writer) };
}

function filesOf(
  checkpoint: Checkpoint,
  latent: LatentConfig,
  writer: LatentCheckpointWriter,
): ConvertedModel['files'] {
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
  // Last: a folder without it is not taken for a model.
  files.set('config.json', json(configJson));
  return files;
}

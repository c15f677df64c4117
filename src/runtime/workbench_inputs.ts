import { readStatistics } from '../convert/statistics_file.ts';
import type { LayerStatistics } from '../convert/statistics.ts';
import { CACHE_FORMATS, cacheBytesPerToken } from '../core/cache_rows.ts';
import type { CacheFormat } from '../core/cache_rows.ts';
import { WebMlaError } from '../core/errors.ts';
import { blobSource } from '../formats/byte_source.ts';
import { parameterCount } from '../formats/checkpoint.ts';
import type { Checkpoint } from '../formats/checkpoint.ts';
import { architectureOf, longestContext } from '../model/architecture.ts';
import { splitText } from './text_split.ts';
import type { TextSplit } from './text_split.ts';
import { tokenizerOf } from './tokenizer_of.ts';
import type { Subject, WorkbenchRequest } from './workbench_types.ts';

/** What a workbench starts from, checked: the model, its text, statistics from a file. */

/** @returns null where nothing asks for text */
export function splitOf(checkpoint: Checkpoint, request: WorkbenchRequest): TextSplit | null {
  const { text, statistics, refit, choice, calibrationTokens } = request;
  const needed = choice.method !== 'exact' && (statistics === null || refit);
  if (!needed && text.trim() === '') return null;
  const tokenizer = tokenizerOf(checkpoint);
  if (tokenizer) return splitText(tokenizer, text, calibrationTokens, longestContext(checkpoint.config));
  if (!needed) return null;
  throw new WebMlaError(
    'missing_file',
    `${checkpoint.name}: expected tokenizer.json, to calibrate on text, got none`,
    'Choose the folder with its tokenizer files, or give statistics and switch the refit off.',
  );
}

/** @throws WebMlaError `unsupported` */
export function checkConvertible({ name, config, latent }: Checkpoint): void {
  architectureOf(config);
  if (!latent) return;
  throw new WebMlaError(
    'unsupported',
    `${name}: expected a GQA checkpoint, got one that is converted already`,
    'Choose the model that it was made from.',
  );
}

export async function statisticsIn(
  file: File,
  { name, config }: Checkpoint,
  signal: AbortSignal,
): Promise<readonly LayerStatistics[]> {
  const { info, layers } = await readStatistics(blobSource(file, file.name), signal);
  const shapes = (one: typeof info, count: number): string =>
    `${count} layers, ${one.num_attention_heads} heads, ${one.num_key_value_heads} KV heads of ${one.head_dim}`;
  const [expected, got] = [
    shapes({ model: name, ...config }, config.num_hidden_layers),
    shapes(info, layers.length),
  ];
  if (expected === got) return layers;
  throw new WebMlaError(
    'bad_request',
    `${file.name}: expected statistics of ${name} (${expected}), got those of ${info.model} (${got})`,
    'Give the statistics of this model, or none: it is calibrated then.',
  );
}

export function subjectOf(checkpoint: Checkpoint): Subject {
  const { config } = checkpoint;
  const { num_hidden_layers: layers, num_key_value_heads: groups, head_dim } = config;
  const shape = { groups, row_dim: 2 * head_dim, split_dim: head_dim };
  const bytesIn = (format: CacheFormat): number => layers * cacheBytesPerToken(shape, format);
  const [f32, f16, int8, int4] = CACHE_FORMATS.map(bytesIn);
  return {
    name: checkpoint.name,
    modelType: config.model_type,
    parameters: parameterCount(checkpoint),
    layers,
    heads: config.num_attention_heads,
    groups,
    head_dim,
    contextLength: longestContext(config),
    gqaBytes: { f32: f32 ?? 0, f16: f16 ?? 0, int8: int8 ?? 0, int4: int4 ?? 0 },
  };
}

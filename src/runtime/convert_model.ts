import { attentionShape } from '../convert/attention_shape.ts';
import { methodOptions } from '../convert/budget.ts';
import type { MethodChoice } from '../convert/budget.ts';
import { DeepseekWriter } from '../convert/deepseek.ts';
import { convertExact } from '../convert/exact.ts';
import { LatentCheckpointWriter } from '../convert/latent_checkpoint.ts';
import type { LayerReport } from '../convert/report.ts';
import { shrinkStatistics } from '../convert/shrunk_statistics.ts';
import type { LayerStatistics } from '../convert/statistics.ts';
import { writeStatistics } from '../convert/statistics_file.ts';
import { cacheBytesPerToken } from '../core/cache_rows.ts';
import { throwIfAborted, WebMlaError } from '../core/errors.ts';
import { latentShape } from '../core/layers.ts';
import type { DecoderLayer, Linear, MlaAttention } from '../core/layers.ts';
import { unpack } from '../core/packed.ts';
import type { PackedTensor, WeightFormat } from '../core/packed.ts';
import { quantize } from '../core/quantize.ts';
import type { Checkpoint } from '../formats/checkpoint.ts';
import type { LatentConfig, LatentLayer } from '../formats/latent_config.ts';
import { gpuMemory } from '../gpu/buffers.ts';
import { openGpu } from '../gpu/device.ts';
import type { Gpu } from '../gpu/device.ts';
import { Pipelines } from '../gpu/pipelines.ts';
import { architectureOf } from '../model/architecture.ts';
import { calibrate } from './calibrate.ts';
import { convertAndRefit, convertLayers } from './converted_layers.ts';
import type { DecoderSource } from './decoder_source.ts';
import { withRopeRemoved } from './rope_removed.ts';
import { deepseekFiles, latentFiles } from './latent_files.ts';
import type { LayerThreads } from './layer_pool.ts';
import type { ModelFolder } from './latent_files.ts';
import type { WeightChoice } from './types.ts';
import { WeightReader } from './weight_reader.ts';

export { readStatistics } from '../convert/statistics_file.ts';
export type { LayerStatistics, MethodChoice };

export interface CalibrationInput {
  /** Rows of token ids, each a sequence of its own. */
  readonly rows: readonly Uint32Array<ArrayBuffer>[];
  /** Of an earlier calibration: rows are then needed for the refit only. */
  readonly statistics?: readonly LayerStatistics[] | undefined;
  /** Refits o_proj on so many of the rows; 0: not at all. */
  readonly refitRows: number;
  /** What the weights alone say of a text counts as so many tokens (convert/shrunk_statistics.ts). Default 0: for many rows. */
  readonly priorTokens?: number;
}

/** Rows that statistics were gathered over are part of what they are. */
export interface KeptStatistics {
  /** @returns null when there are none */
  find(rows: CalibrationInput['rows']): Promise<readonly LayerStatistics[] | null>;
  keep(rows: CalibrationInput['rows'], statistics: readonly LayerStatistics[]): Promise<void>;
}

export interface ConvertProgress {
  readonly stage: 'calibrate' | 'refine' | 'convert';
  /** Done and in all: rows times layers, steps times layers, or layers. */
  readonly loaded: number;
  readonly total: number;
}

export interface ConvertOptions {
  readonly choice:
    | MethodChoice
    | { readonly method: 'exact'; readonly cacheDtype: LatentConfig['cacheDtype'] };
  /** Not needed by `exact`. */
  readonly calibration?: CalibrationInput;
  /** Opens the GPU, when it is needed. */
  readonly gpu: () => Promise<GPU | undefined>;
  /** Of matrices that the conversion leaves alone. */
  readonly weights: WeightChoice;
  /** Of those that it makes, default f16; of all of them in format deepseek: f32 (default) or bf16. */
  readonly madeWeights?: WeightFormat;
  /** Steps of Adam on all maps of each layer, on the rows of the refit (or as many, without one). Default 0. */
  readonly refineSteps?: number;
  /** Layout of the result. 'deepseek': exportable strict layers only. Default 'webmla'. */
  readonly format?: 'webmla' | 'deepseek';
  readonly onProgress: (progress: ConvertProgress) => void;
  /** Keep the layers in memory besides, for `decoder`. */
  readonly retain?: boolean;
  /** Statistics of earlier conversions, and where new ones go. */
  readonly kept?: KeptStatistics | null;
  /** Where made weights stay until they are read. Default: in memory. */
  readonly keep?: (bytes: Uint8Array<ArrayBuffer>) => Blob;
  /** For the algebra. Default: this thread. */
  readonly threads?: LayerThreads | null;
  readonly signal?: AbortSignal;
}

/** A converted checkpoint as the files of a folder. */
export interface ConvertedModel {
  readonly latent: LatentConfig;
  readonly reports: readonly LayerReport[];
  readonly statistics: readonly LayerStatistics[] | null;
  readonly calibrationTokens: number;
  readonly files: ModelFolder;
  /** What the files hold, to be loaded at once; null unless it was asked for. */
  readonly decoder: DecoderSource | null;
  readonly timings: ConvertTimings;
  /** Most GPU memory that was in use at a time, residual streams and one layer's weights with it. */
  readonly gpuBytes: Readonly<Record<'calibrate' | 'convert', number>>;
}

/**
 * Parts of convertMs: recalibrateMs (transmla's second calibration), refineMs, refitMs (solveMs, its equations on the host, is a
 * part of that), algebraMs (of all threads together, most of it beside the rest).
 */
export type ConvertTimings = Readonly<
  Record<
    'calibrateMs' | 'convertMs' | 'recalibrateMs' | 'algebraMs' | 'refineMs' | 'refitMs' | 'solveMs',
    number
  >
>;

/** Rows to refine on where there is no refit to say how many. */
const REFINE_ROWS = 64;

/**
 * Converts a whole checkpoint, layer by layer.
 * @throws WebMlaError `unsupported` for what is not GQA, `bad_request` for a budget that makes no sense, and what reading,
 *   calibration and the GPU throw
 */
export async function convertModel(checkpoint: Checkpoint, options: ConvertOptions): Promise<ConvertedModel> {
  let gpu: Gpu | undefined;
  const open = async (): Promise<Gpu> => (gpu = await openGpu(await options.gpu()));
  try {
    return await convertOn(open, checkpoint, options);
  } finally {
    gpu?.device.destroy();
  }
}

async function convertOn(
  open: () => Promise<Gpu>,
  checkpoint: Checkpoint,
  options: ConvertOptions,
): Promise<ConvertedModel> {
  const { choice, calibration, onProgress, signal } = options;
  const { config } = checkpoint;
  checkGqa(checkpoint);
  const reader = new WeightReader(checkpoint, architectureOf(config), options.weights, signal);
  const started = performance.now();
  const deepseek = options.format === 'deepseek' ? new DeepseekWriter(config, options.madeWeights) : null;
  const own = new LatentCheckpointWriter(options.keep);
  const writer = deepseek ?? own;
  const layers: LatentLayer[] = [];
  const made: DecoderLayer<MlaAttention>[] = [];
  const reports: LayerReport[] = [];
  const parts = { recalibrateMs: 0, algebraMs: 0, refineMs: 0, refitMs: 0, solveMs: 0 };
  const add = (index: number, layer: DecoderLayer<MlaAttention>, report: LayerReport): void => {
    const { latent, kv_lora_rank, qk_rope_head_dim, qk_offset } = layer.self_attn;
    writer.layer(index, layer);
    if (options.retain) made.push(layer);
    // What runs an export caches its constant too.
    const rank = deepseek ? kv_lora_rank + 1 : kv_lora_rank;
    layers.push({ latent, kv_lora_rank: rank, qk_rope_head_dim, qk_offset });
    reports.push(report);
    onProgress({ stage: 'convert', loaded: index + 1, total: config.num_hidden_layers });
  };
  let statistics: readonly LayerStatistics[] | null = null;
  let calibrateMs = 0;
  let calibrateBytes = 0;
  gpuMemory.peak = gpuMemory.bytes;
  if (choice.method === 'exact') {
    for (let i = 0; i < config.num_hidden_layers; i++) {
      throwIfAborted(signal);
      const original = await reader.layer(i);
      const before = performance.now();
      const { attention, report } = convertExact(config, i, original.self_attn);
      parts.algebraMs += performance.now() - before;
      add(i, { ...original, self_attn: attention }, report);
    }
  } else {
    const { rows, refitRows, statistics: given } = calibration ?? { rows: [], refitRows: 0 };
    const { refineSteps = 0 } = options;
    checkSteps(refineSteps);
    methodOptions(attentionShape(config), choice);
    const streamRows = refitRows === 0 && refineSteps > 0 ? REFINE_ROWS : refitRows;
    const known = given ?? (await options.kept?.find(rows)) ?? undefined;
    const recalibrates = recalibratesFor(choice) && rows.length > 0;
    const needsGpu = known === undefined || streamRows > 0 || recalibrates;
    const gpu = needsGpu ? await open() : null;
    const pipelines = gpu && new Pipelines(gpu.device);
    if (known) statistics = known;
    else if (gpu && pipelines) {
      statistics = await calibrate(gpu, config, reader, rows, {
        pipelines,
        signal,
        onProgress: ({ loaded, total }) => onProgress({ stage: 'calibrate', loaded, total }),
      });
      await options.kept?.keep(rows, statistics);
    }
    const { priorTokens = 0 } = calibration ?? {};
    const shrunk: LayerStatistics[] = [];
    for (const [i, layer] of (statistics ?? []).entries()) {
      shrunk.push(
        priorTokens > 0 ? shrinkStatistics(config, await reader.layer(i), layer, priorTokens) : layer,
      );
    }
    calibrateMs = performance.now() - started;
    calibrateBytes = gpuMemory.peak;
    gpuMemory.peak = gpuMemory.bytes;
    const used =
      statistics && gpu && pipelines && recalibrates
        ? await withRopeRemoved(gpu, config, reader, shrunk, choice, rows, pipelines, {
            threads: options.threads,
            signal,
          })
        : shrunk;
    parts.recalibrateMs = performance.now() - started - calibrateMs;
    let refined = 0;
    const onRefineStep = (): void =>
      onProgress({
        stage: 'refine',
        loaded: ++refined,
        total: refineSteps * config.num_hidden_layers,
      });
    const converted =
      gpu && pipelines && streamRows > 0
        ? convertAndRefit(gpu, config, reader, used, choice, rows.slice(0, streamRows), pipelines, {
            threads: options.threads,
            signal,
            refit: refitRows > 0,
            refineSteps,
            onRefineStep,
          })
        : convertLayers(config, reader, used, choice, { threads: options.threads, signal });
    for await (const { index, layer, report, ...took } of converted) {
      parts.algebraMs += took.algebraMs;
      parts.refineMs += took.refineMs;
      parts.refitMs += took.refitMs;
      parts.solveMs += took.solveMs;
      add(index, deepseek ? layer : rounded(layer, options.madeWeights ?? 'f16'), report);
    }
  }
  writer.ends(await reader.ends());
  const latent: LatentConfig = {
    method: choice.method,
    cacheDtype: choice.cacheDtype,
    architecture: config.architecture,
    layers,
  };
  return {
    latent,
    reports,
    statistics,
    calibrationTokens: statistics?.[0]?.tokens ?? 0,
    decoder: options.retain ? decoderOf(reader, made) : null,
    files: deepseek ? deepseekFiles(checkpoint, deepseek) : latentFiles(checkpoint, latent, own),
    timings: { calibrateMs, convertMs: performance.now() - started - calibrateMs, ...parts },
    gpuBytes: { calibrate: calibrateBytes, convert: gpuMemory.peak },
  };
}

/** Whether a method makes its low-rank step of a second calibration. */
export function recalibratesFor({ method, options }: MethodChoice): boolean {
  return method === 'transmla' && options['recalibrate'] !== 'off';
}

function checkSteps(steps: number): void {
  if (Number.isInteger(steps) && steps >= 0) return;
  throw new WebMlaError('bad_request', `refineSteps: expected a whole number from 0 on, got ${steps}`);
}

/** @throws WebMlaError `unsupported` for a checkpoint that is converted already */
export function checkGqa({ name, latent }: Checkpoint): void {
  if (!latent) return;
  throw new WebMlaError(
    'unsupported',
    `${name}: expected a GQA checkpoint, got one that is converted already`,
  );
}

function decoderOf(reader: WeightReader, made: readonly DecoderLayer<MlaAttention>[]): DecoderSource {
  return {
    config: reader.config,
    latent: null,
    layer: async (index) => reader.layer(index),
    ends: async () => reader.ends(),
    notes: () => reader.notes(),
    convertedLayer: async (index) => {
      const layer = made[index];
      if (!layer) throw new RangeError(`layer ${index}: expected one of ${made.length}`);
      return layer;
    },
  };
}

/** Bytes of the cache that a token takes in all layers, scales counted. */
export function cachedBytes({ layers, cacheDtype }: LatentConfig): number {
  return layers.reduce((sum, layer) => {
    const { row_dim } = latentShape(layer);
    return sum + cacheBytesPerToken({ groups: 1, row_dim, split_dim: layer.kv_lora_rank }, cacheDtype);
  }, 0);
}

/** Statistics as a file, in parts. */
export function statisticsFile(
  { name, config }: Checkpoint,
  layers: readonly LayerStatistics[],
): Uint8Array<ArrayBuffer>[] {
  const { num_attention_heads, num_key_value_heads, head_dim } = config;
  return writeStatistics({
    info: { model: name, num_attention_heads, num_key_value_heads, head_dim },
    layers,
  });
}

/** The matrices that the conversion made, in the format that they are stored in. */
export function rounded(layer: DecoderLayer<MlaAttention>, format: WeightFormat): DecoderLayer<MlaAttention> {
  const { self_attn } = layer;
  const { kv_a_proj, o_proj, embed_q, unembed_out, rope_rebuild } = self_attn;
  const matrix = (tensor: PackedTensor): PackedTensor =>
    tensor.format === 'f32' && format !== 'f32'
      ? quantize(unpack(tensor), tensor.rows, tensor.cols, format)
      : tensor;
  const linear = ({ pieces, bias }: Linear): Linear => ({ pieces: pieces.map(matrix), bias });
  return {
    ...layer,
    self_attn: {
      ...self_attn,
      kv_a_proj: linear(kv_a_proj),
      o_proj: linear(o_proj),
      embed_q: matrix(embed_q),
      unembed_out: matrix(unembed_out),
      rope_rebuild: rope_rebuild && linear(rope_rebuild),
    },
  };
}

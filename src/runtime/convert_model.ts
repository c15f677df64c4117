import { attentionShape } from '../convert/attention_shape.ts';
import { methodOptions } from '../convert/budget.ts';
import type { MethodChoice } from '../convert/budget.ts';
import { DeepseekWriter } from '../convert/deepseek.ts';
import { convertExact } from '../convert/exact.ts';
import { LatentCheckpointWriter } from '../convert/latent_checkpoint.ts';
import type { LayerReport } from '../convert/report.ts';
import { shrinkStatistics } from '../convert/shrunk_statistics.ts';
import type { LayerStatistics } from '../convert/statistics.ts';
import { throwIfAborted, WebMlaError } from '../core/errors.ts';
import type { DecoderLayer, MlaAttention } from '../core/layers.ts';
import type { Checkpoint } from '../formats/checkpoint.ts';
import type { LatentConfig, LatentLayer } from '../formats/latent_config.ts';
import { gpuMemory } from '../gpu/buffers.ts';
import { openGpu } from '../gpu/device.ts';
import type { Gpu } from '../gpu/device.ts';
import { Pipelines } from '../gpu/pipelines.ts';
import { architectureOf } from '../model/architecture.ts';
import { calibrate } from './calibrate.ts';
import type { ConvertedModel, ConvertOptions } from './conversion_types.ts';
import { convertAndRefit, convertLayers } from './converted_layers.ts';
import { retainedDecoder, rounded } from './converted_weights.ts';
import { withRopeRemoved } from './rope_removed.ts';
import { deepseekFiles, latentFiles } from './latent_files.ts';
import { WeightReader } from './weight_reader.ts';

export type { LayerStatistics, MethodChoice };

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
    decoder: options.retain ? retainedDecoder(reader, made) : null,
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

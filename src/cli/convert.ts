import { writeFile } from 'node:fs/promises';
import { WebMlaError } from '../core/errors.ts';
import type { Checkpoint } from '../formats/checkpoint.ts';
import { openCheckpoint } from '../formats/open_checkpoint.ts';
import type { CacheFormat } from '../core/cache_rows.ts';
import { convertByIntent } from '../runtime/convert_by_intent.ts';
import type { CandidateReport, ConversionReport, Intent } from '../runtime/convert_by_intent.ts';
import type { ConvertedModel, ConvertOptions, ConvertTimings } from '../runtime/conversion_types.ts';
import { convertModel } from '../runtime/convert_model.ts';
import { cachedBytes } from '../runtime/converted_weights.ts';
import { statisticsFile } from '../runtime/model_statistics.ts';
import type { Arguments } from './arguments.ts';
import { REFIT_ROWS, SEARCH_ROWS } from '../runtime/calibration_rows.ts';
import { rowsOf, storedStatistics } from './calibration.ts';
import { openDawn } from './dawn.ts';
import { layerThreads } from './layer_threads.ts';
import { openFiles } from './node_files.ts';
import { terminalProgress } from './progress.ts';
import { UsageError } from './usage.ts';
import { writeFolder } from './write_folder.ts';

export interface Converted {
  readonly form: string;
  readonly cacheDtype: CacheFormat;
  readonly layers: readonly { readonly kvLoraRank: number; readonly qkRopeHeadDim: number }[];
  readonly kvBytesPerToken: number;
  readonly calibrationTokens: number;
  /** Of ln perplexity, measured on rows that the calibration did not see. */
  readonly predictedRise?: number;
  /** Of the final model against the original, on the same rows. */
  readonly predictedKl?: number;
  /** The model's own keys and values in other dtypes, measured where they fit the same bytes. */
  readonly rivals?: readonly CandidateReport[];
  /** The rival that does better; null: none. */
  readonly better?: CandidateReport | null;
  readonly timings: ConvertTimings & { readonly writeMs: number };
  /** Most GPU memory in use at a time. */
  readonly gpuBytes: ConvertedModel['gpuBytes'];
}

/** webmla convert: a GQA checkpoint to a folder with MLA. */
export async function convert(args: Arguments): Promise<Converted> {
  const out = args.required('out');
  const intent = intentOf(args);
  const checkpoint = await openCheckpoint(await openFiles(args.required('model')));
  const model: ConvertedModel & { readonly report?: ConversionReport } = intent
    ? await byIntent(args, checkpoint, intent)
    : await exactly(args, checkpoint);
  const before = performance.now();
  await writeFolder(out, model.files);
  const saved = args.text('save-statistics');
  if (saved !== undefined && model.statistics) {
    await save(saved, Buffer.concat(statisticsFile(checkpoint, model.statistics)));
  }
  const path = args.text('report');
  const { latent, reports, report } = model;
  if (path !== undefined) await save(path, compactJson({ ...latent, ...report, reports }));
  return {
    form: latent.layers[0]?.latent ?? 'strict',
    cacheDtype: latent.cacheDtype,
    layers: latent.layers.map(({ kv_lora_rank, qk_rope_head_dim }) => ({
      kvLoraRank: kv_lora_rank,
      qkRopeHeadDim: qk_rope_head_dim,
    })),
    kvBytesPerToken: cachedBytes(latent),
    calibrationTokens: model.calibrationTokens,
    ...(report?.heldOut && { predictedRise: report.heldOut.rise, predictedKl: report.heldOut.kl }),
    ...(report && { rivals: report.rivals, better: report.better }),
    timings: { ...model.timings, writeMs: performance.now() - before },
    gpuBytes: model.gpuBytes,
  };
}

export function printConverted({ form, cacheDtype, layers, better, ...rest }: Converted): string {
  const { kvBytesPerToken, predictedRise } = rest;
  const rise = predictedRise === undefined ? '' : `, ln perplexity +${predictedRise.toFixed(4)}`;
  const lines = [`${layers.length} layers, ${form} ${cacheDtype}, ${kvBytesPerToken} bytes a token${rise}`];
  const { timings, gpuBytes } = rest;
  const s = (ms: number): string => `${(ms / 1000).toFixed(1)} s`;
  const mb = (bytes: number): string => `${Math.round(bytes / 1e6)} MB`;
  lines.push(
    `calibration ${s(timings.calibrateMs)}, ${mb(gpuBytes.calibrate)} on the GPU; ` +
      `conversion ${s(timings.convertMs)} (refinement ${s(timings.refineMs)}, refit ${s(timings.refitMs)}), ` +
      `${mb(gpuBytes.convert)} on the GPU; writing ${s(timings.writeMs)}`,
  );
  if (better?.measured) {
    lines.push(
      `Better: the model's own ${better.cacheDtype} cache, ${better.measured.bytes} bytes a token, ` +
        `+${better.measured.rise.toFixed(4)}: run the original with --cache-dtype ${better.cacheDtype}`,
    );
  }
  return lines.join('\n');
}

async function exactly(args: Arguments, checkpoint: Checkpoint): Promise<ConvertedModel> {
  const cacheDtype = args.choice('cache-dtype', DTYPES) ?? 'f16';
  return withProgress(async (onProgress) =>
    convertModel(checkpoint, {
      ...commonOptions(args),
      choice: { method: 'exact', cacheDtype },
      onProgress: (at) => onProgress({ ...at, item: at.stage }),
    }),
  );
}

async function byIntent(
  args: Arguments,
  checkpoint: Checkpoint,
  intent: Intent,
): ReturnType<typeof convertByIntent> {
  // Wrong usage is said before files are read.
  const common = commonOptions(args);
  const windows = args.number('search-windows');
  const path = args.text('statistics');
  const statistics = path === undefined ? undefined : await storedStatistics(path);
  const refit = (args.choice('refit', ['on', 'off']) ?? 'on') === 'on';
  const refine = (args.number('refine-steps') ?? 0) > 0;
  const given = args.text('text') !== undefined || args.list('token-rows').length > 0;
  const { rows, calibratedRows } =
    given || refit || refine || !statistics
      ? await rowsOf(args, checkpoint, windows ?? SEARCH_ROWS)
      : { rows: [], calibratedRows: 0 };
  return withProgress(async (onProgress) =>
    convertByIntent(checkpoint, {
      ...common,
      intent,
      calibration: { rows, calibratedRows, statistics, refitRows: refit ? REFIT_ROWS : 0 },
      search: { windows, candidates: args.number('search-candidates') },
      onProgress: ({ item, ...at }) =>
        onProgress({ ...at, item: item === undefined ? at.stage : `${at.stage}: ${item}` }),
    }),
  );
}

async function withProgress<T>(
  work: (onProgress: (at: { loaded: number; total: number; item: string }) => void) => Promise<T>,
): Promise<T> {
  const progress = terminalProgress();
  try {
    return await work((at) => progress.show({ ...at, stage: 'convert', unit: 'steps' }));
  } finally {
    progress.clear();
  }
}

function commonOptions(
  args: Arguments,
): Pick<ConvertOptions, 'gpu' | 'weights' | 'madeWeights' | 'refineSteps' | 'format' | 'threads'> {
  return {
    gpu: openDawn,
    weights: 'as-is',
    ...madeWeights(args),
    refineSteps: refineSteps(args),
    format: args.choice('format', ['webmla', 'deepseek']) ?? 'webmla',
    threads: layerThreads(),
  };
}

const DTYPES = ['f32', 'f16', 'int8', 'int4'] as const;

/** @returns null for the exact method, which is asked for nothing; @throws UsageError */
function intentOf(args: Arguments): Intent | null {
  const method = args.choice('method', ['exact', 'transmla', 'mha2mla', 'webmla']) ?? 'webmla';
  const kvBudget = args.number('kv-budget');
  const maxLoss = args.number('max-loss');
  const kv_lora_rank = args.number('kv-lora-rank');
  const qk_rope_head_dim = args.number('qk-rope-head-dim');
  const asked = [kvBudget, maxLoss, kv_lora_rank].filter((one) => one !== undefined).length;
  if (method === 'exact') {
    if (asked > 0) throw new UsageError('--method exact keeps the cache as it is: it takes no budget');
    return null;
  }
  if (asked !== 1) {
    throw new UsageError(`--method ${method} needs one of --kv-budget, --max-loss and --kv-lora-rank`);
  }
  if (maxLoss !== undefined && method !== 'webmla') {
    throw new UsageError(`--max-loss goes with --method webmla, not with ${method}`);
  }
  const form = args.choice('form', ['strict', 'reuse', 'recon']);
  if (method !== 'webmla' && form !== undefined && form !== 'strict') {
    throw new UsageError(`--method ${method} has no form ${form}`);
  }
  return {
    method,
    form,
    exportable: args.flag('exportable'),
    cacheDtype: args.choice('cache-dtype', DTYPES),
    kvBudget,
    maxLoss,
    kv_lora_rank,
    qk_rope_head_dim,
    options: Object.fromEntries(args.list('option').map(keyAndValue)),
  };
}

/** `--option weights=f32|f16|bf16|q8_0`: of the matrices that the conversion makes. */
function madeWeights(args: Arguments): Pick<ConvertOptions, 'madeWeights'> {
  const wanted = args
    .list('option')
    .map(keyAndValue)
    .find(([key]) => key === 'weights')?.[1];
  if (wanted === undefined) return {};
  const found = (['f32', 'f16', 'bf16', 'q8_0'] as const).find((format) => format === wanted);
  if (!found) throw new UsageError(`--option weights: expected f32, f16, bf16 or q8_0, got ${wanted}`);
  return { madeWeights: found };
}

/** @throws UsageError */
function refineSteps(args: Arguments): number {
  const steps = args.number('refine-steps') ?? 0;
  if (!Number.isInteger(steps) || steps < 0) {
    throw new UsageError(`--refine-steps: expected a whole number from 0 on, got ${steps}`);
  }
  if (steps > 0 && args.text('method') === 'exact') {
    throw new UsageError('--method exact has nothing to refine');
  }
  return steps;
}

function keyAndValue(option: string): [string, string] {
  const at = option.indexOf('=');
  if (at < 1) throw new UsageError(`--option: expected KEY=VALUE, got ${option}`);
  return [option.slice(0, at), option.slice(at + 1)];
}

async function save(path: string, data: string | Uint8Array): Promise<void> {
  try {
    await writeFile(path, data);
  } catch (error) {
    const why = error instanceof Error ? error.message : String(error);
    throw new WebMlaError('storage', `${path}: expected to write, got: ${why}`);
  }
}

/** Five digits say all that measured numbers and spectra have to say. */
function compactJson(value: unknown): string {
  const rounded = (_: string, one: unknown): unknown =>
    typeof one === 'number' && !Number.isInteger(one) ? Number(one.toPrecision(5)) : one;
  return JSON.stringify(value, rounded);
}

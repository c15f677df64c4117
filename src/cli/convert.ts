import { writeFile } from 'node:fs/promises';
import { WebMlaError } from '../core/errors.ts';
import { openCheckpoint } from '../formats/open_checkpoint.ts';
import type { CacheFormat } from '../core/cache_rows.ts';
import { cachedBytes, convertModel, statisticsFile } from '../runtime/convert_model.ts';
import type { ConvertOptions } from '../runtime/convert_model.ts';
import type { Arguments } from './arguments.ts';
import { REFIT_ROWS } from '../runtime/calibration_rows.ts';
import { choiceOf as completed } from '../runtime/conversion_choice.ts';
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
  readonly timings: Readonly<Record<'calibrateMs' | 'convertMs' | 'algebraMs' | 'writeMs', number>>;
}

/** webmla convert: a GQA checkpoint to a folder with MLA. */
export async function convert(args: Arguments): Promise<Converted> {
  const out = args.required('out');
  const choice = choiceOf(args);
  const checkpoint = await openCheckpoint(await openFiles(args.required('model')));
  const progress = terminalProgress();
  const model = await convertModel(checkpoint, {
    choice,
    ...(choice.method !== 'exact' && { calibration: await calibrationOf(args, checkpoint) }),
    gpu: openDawn,
    weights: 'as-is',
    madeWeights: madeWeights(args),
    format: args.choice('format', ['webmla', 'deepseek']) ?? 'webmla',
    threads: layerThreads(),
    onProgress: (at) => progress.show({ ...at, stage: 'convert', unit: 'steps', item: at.stage }),
  });
  progress.clear();
  const before = performance.now();
  await writeFolder(out, model.files);
  const saved = args.text('save-statistics');
  if (saved !== undefined && model.statistics) {
    await save(saved, Buffer.concat(statisticsFile(checkpoint, model.statistics)));
  }
  const report = args.text('report');
  if (report !== undefined)
    await save(report, JSON.stringify({ ...model.latent, reports: model.reports }, null, 1));
  return {
    form: model.latent.layers[0]?.latent ?? 'strict',
    cacheDtype: model.latent.cacheDtype,
    layers: model.latent.layers.map(({ kv_lora_rank, qk_rope_head_dim }) => ({
      kvLoraRank: kv_lora_rank,
      qkRopeHeadDim: qk_rope_head_dim,
    })),
    kvBytesPerToken: cachedBytes(model.latent),
    calibrationTokens: model.calibrationTokens,
    timings: { ...model.timings, writeMs: performance.now() - before },
  };
}

/** @throws UsageError */
function choiceOf(args: Arguments): ConvertOptions['choice'] {
  const method = args.choice('method', ['exact', 'transmla', 'mha2mla', 'webmla']) ?? 'webmla';
  const cacheDtype = args.choice('cache-dtype', ['f32', 'f16', 'int8', 'int4']) ?? 'f16';
  const kvBudget = args.number('kv-budget');
  const kv_lora_rank = args.number('kv-lora-rank');
  const qk_rope_head_dim = args.number('qk-rope-head-dim');
  if (method === 'exact') {
    if (kvBudget !== undefined || kv_lora_rank !== undefined) {
      throw new UsageError('--method exact keeps the cache as it is: it takes no budget');
    }
    return { method, cacheDtype };
  }
  if ((kvBudget === undefined) === (kv_lora_rank === undefined)) {
    throw new UsageError(`--method ${method} needs one of --kv-budget and --kv-lora-rank`);
  }
  const exportable = args.flag('exportable');
  const form = args.choice('form', ['strict', 'reuse', 'recon']);
  if (method !== 'webmla' && form !== undefined && form !== 'strict') {
    throw new UsageError(`--method ${method} has no form ${form}`);
  }
  return completed(
    {
      method,
      ...(form && { latent: form }),
      ...(kvBudget !== undefined && { kvBudget }),
      ...(kv_lora_rank !== undefined && { kv_lora_rank }),
      ...(qk_rope_head_dim !== undefined && { qk_rope_head_dim }),
    },
    cacheDtype,
    { exportable, options: Object.fromEntries(args.list('option').map(keyAndValue)) },
  );
}

async function calibrationOf(
  args: Arguments,
  checkpoint: Parameters<typeof rowsOf>[1],
): Promise<NonNullable<ConvertOptions['calibration']>> {
  const path = args.text('statistics');
  const statistics = path === undefined ? undefined : await storedStatistics(path);
  const refit = (args.choice('refit', ['on', 'off']) ?? 'on') === 'on';
  const rows = statistics && !refit ? [] : await rowsOf(args, checkpoint);
  return { rows, statistics, refitRows: refit ? Math.min(REFIT_ROWS, rows.length) : 0 };
}

/** `--option weights=f32|f16|q8_0`: of the matrices that the conversion makes. */
function madeWeights(args: Arguments): 'f32' | 'f16' | 'q8_0' {
  const wanted =
    args
      .list('option')
      .map(keyAndValue)
      .find(([key]) => key === 'weights')?.[1] ?? 'f16';
  const found = (['f32', 'f16', 'q8_0'] as const).find((format) => format === wanted);
  if (!found) throw new UsageError(`--option weights: expected f32, f16 or q8_0, got ${wanted}`);
  return found;
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

import { WebMlaError } from '../../core/errors.ts';
import type { Gpu } from '../../gpu/device.ts';
import { MeasuredModel, runLength, someIds } from '../measured_model.ts';
import { streamingRate } from '../profile.ts';
import { QualityJudge } from './quality.ts';
import type { HeldOut } from './quality.ts';
import type { RaceModels, RaceProgress } from './race_models.ts';
import { attentionOf, BASE, cacheSize, settingKey, settingName } from './setting.ts';
import type { RaceSetting } from './setting.ts';
import { SweepRecord } from './sweep_record.ts';
import type { SweepResult } from './sweep_record.ts';

export interface SweepOptions {
  /** Each runs against GQA with an f16 cache, which need not be named. */
  readonly settings: readonly RaceSetting[];
  readonly contexts: readonly number[];
  /** real: rows come from a prefill of the document; synthetic: they are zeros. */
  readonly filled: 'real' | 'synthetic';
  /** As often as a context needs it, one after another. */
  readonly document: string;
  /** Runs of each setting and context, in turns with GQA's. */
  readonly runs: number;
  readonly prefillTokens: number;
  /** null: do not measure quality. */
  readonly heldOut: HeldOut | null;
}

/** Shares of the whole work: quality, and loading GQA of the rest. */
const QUALITY = 0.25;
const BASE_SHARE = 0.05;

/** Measures every setting beside GQA f16, then the quality of each. */
export async function sweep(
  gpu: Gpu,
  models: RaceModels,
  options: SweepOptions,
  onProgress: (what: string, share: number, result: SweepResult) => void,
  signal: AbortSignal,
): Promise<SweepResult> {
  const { heldOut } = options;
  const behind = runLength(gpu).warmUp + runLength(gpu).tokens + 1;
  const most = models.longestContext - behind;
  const contexts = fittingContexts(options.contexts, most);
  const within = { ...options, contexts, prefillTokens: Math.min(options.prefillTokens, most) };
  const challengers = options.settings.filter((one) => settingKey(one) !== settingKey(BASE));
  const record = new SweepRecord(gpu, models, challengers, options.filled);
  const cut = options.contexts.filter((context) => context > most);
  if (cut.length > 0) {
    record.note(
      `Contexts end at ${most}: the model was trained for ${models.longestContext} tokens, and some are decoded behind each context.`,
    );
  }
  const total = Math.max(1, challengers.length);
  const judged = heldOut !== null && models.checkpoint !== null;
  const speedShare = judged ? 1 - QUALITY : 1;
  let base: Loaded | undefined;
  try {
    onProgress('streaming limit', 0, record.result());
    if (gpu.device.features.has('timestamp-query')) record.streamingGBs = await streamingRate(gpu);
    const start = (what: string, share: number): void =>
      onProgress(what, share * BASE_SHARE, record.result());
    const first = (base = await loadFitting(gpu, models, BASE, within, record, start, signal));
    for (const [i, challenger] of (challengers.length > 0 ? challengers : [null]).entries()) {
      const report = (what: string, share: number): void => {
        const done = BASE_SHARE + ((1 - BASE_SHARE) * (i + share)) / total;
        onProgress(what, done * speedShare, record.result());
      };
      await measureBeside(gpu, models, first, challenger, within, record, report, signal);
    }
    base.model.destroy();
    base = undefined;
    if (heldOut && judged) {
      await measureQuality(gpu, models, [BASE, ...challengers], heldOut, record, signal, (what, share) =>
        onProgress(what, speedShare + QUALITY * share, record.result()),
      );
    }
    return record.result();
  } catch (error) {
    throw gpu.failure() ?? error;
  } finally {
    base?.model.destroy();
  }
}

/** In order, each once; those that are too long become the longest one. */
function fittingContexts(contexts: readonly number[], most: number): readonly number[] {
  const wrong = contexts.find((context) => context < 2);
  if (wrong === undefined && contexts.length > 0 && most >= 2) {
    return [...new Set(contexts.map((context) => Math.min(context, most)))].toSorted((a, b) => a - b);
  }
  throw new WebMlaError(
    'bad_request',
    `contexts: expected some, of 2 to ${most} tokens, got ${wrong ?? `${contexts.length} of them`}`,
  );
}

interface Loaded {
  readonly setting: RaceSetting;
  readonly model: MeasuredModel;
  /** Those that fit on the device. */
  readonly contexts: readonly number[];
}

/** Loads a setting for the longest context that there is memory for, and measures its prefill. */
async function loadFitting(
  gpu: Gpu,
  models: RaceModels,
  setting: RaceSetting,
  options: SweepOptions,
  record: SweepRecord,
  report: RaceProgress,
  signal: AbortSignal,
): Promise<Loaded> {
  const name = settingName(setting);
  const { prefillTokens } = options;
  const { warmUp, tokens } = runLength(gpu);
  const source = await models.source(setting, report, signal);
  record.size(setting, cacheSize(models.config, setting, source.latent?.layers ?? null));
  for (let contexts = options.contexts; ; contexts = contexts.slice(0, -1)) {
    const longest = contexts.at(-1) ?? 0;
    try {
      const model = await MeasuredModel.load(gpu, source, {
        attention: attentionOf(setting),
        cacheDtype: setting.cacheDtype,
        contextLength: Math.max(longest, prefillTokens) + warmUp + tokens + 1,
        onProgress: ({ loaded, total }) => report(`${name}: loading`, (0.3 * loaded) / total),
        signal,
      });
      report(`${name}: prefill of ${prefillTokens}`, 0.3);
      record.prefill(setting, prefillTokens, await prefillMs(model, models, prefillTokens, signal));
      return { setting, model, contexts };
    } catch (error) {
      if (!isTooLarge(error) || contexts.length < 2) throw error;
      record.note(`${name}: a context of ${longest} does not fit on this device.`);
    }
  }
}

/** One challenger beside GQA, in turns. @param challenger null: GQA alone */
async function measureBeside(
  gpu: Gpu,
  models: RaceModels,
  base: Loaded,
  challenger: RaceSetting | null,
  options: SweepOptions,
  record: SweepRecord,
  report: RaceProgress,
  signal: AbortSignal,
): Promise<void> {
  const other = challenger && (await loadFitting(gpu, models, challenger, options, record, report, signal));
  try {
    const length = runLength(gpu);
    const document = documentIds(models, options.contexts.at(-1) ?? 0, options);
    for (const [c, context] of options.contexts.entries()) {
      const ids = document.slice(0, context);
      const at = 0.35 + (0.65 * c) / options.contexts.length;
      const fitting = [base, other]
        .filter((one) => one !== null)
        .filter((one) => one.contexts.includes(context));
      for (const { setting, model } of fitting) {
        report(`${settingName(setting)}: filling ${context} tokens`, at);
        if (options.filled === 'real') await model.prefill(ids, signal);
        else model.pretend(ids.slice(0, -1));
      }
      for (let run = 0; run < options.runs; run++) {
        report(`decoding at ${context}, run ${run + 1} of ${options.runs}`, at);
        for (const { setting, model } of run % 2 === 0 ? fitting : fitting.toReversed()) {
          const ms = await model.decodeRun(ids, length, signal);
          record.run(setting, challenger, context, ms, model);
        }
      }
    }
  } finally {
    other?.model.destroy();
  }
}

function isTooLarge(error: unknown): boolean {
  return error instanceof WebMlaError && (error.code === 'limit_exceeded' || error.code === 'out_of_memory');
}

/** A text over and over, until it is as long as the longest context; any ids where there is no text, or nobody reads it. */
function documentIds(models: RaceModels, length: number, { filled, document }: SweepOptions): number[] {
  const { tokenizer, config } = models;
  if (filled === 'synthetic' || !tokenizer) return someIds(length, config.vocab_size);
  const ids = tokenizer.encode(document, { specialTokens: 'plain', addSpecialTokens: false });
  return Array.from({ length }, (_, i) => ids[i % ids.length] ?? 0);
}

/** The better of two: the first warms up. */
async function prefillMs(
  model: MeasuredModel,
  { config }: RaceModels,
  tokens: number,
  signal: AbortSignal,
): Promise<number> {
  const ids = someIds(tokens, config.vocab_size);
  const times: number[] = [];
  for (let run = 0; run < 2; run++) {
    model.session.reset();
    times.push(await model.prefill(ids, signal));
  }
  model.session.reset();
  return Math.min(...times);
}

async function measureQuality(
  gpu: Gpu,
  models: RaceModels,
  settings: readonly RaceSetting[],
  heldOut: HeldOut,
  record: SweepRecord,
  signal: AbortSignal,
  report: RaceProgress,
): Promise<void> {
  if (!models.tokenizer) {
    record.note('Quality was not measured: the model has no tokenizer.');
    return;
  }
  report('quality: loading the reference', 0);
  const original = await models.source(BASE, report, signal);
  const judge = await QualityJudge.create(gpu, original, models.tokenizer, heldOut, signal);
  try {
    for (const [i, setting] of settings.entries()) {
      report(`quality: ${settingName(setting)}`, i / settings.length);
      const source = await models.source(setting, report, signal);
      record.quality(setting, await judge.judge(source, setting, signal));
    }
  } finally {
    judge.destroy();
  }
}

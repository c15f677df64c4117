import { WebMlaError } from '../../core/errors.ts';
import type { Gpu } from '../../gpu/device.ts';
import { spread } from '../figures.ts';
import { runLength, someIds } from '../measured_model.ts';
import type { MeasuredModel } from '../measured_model.ts';
import { streamingRate } from '../profile.ts';
import { QualityJudge } from './quality.ts';
import type { HeldOut } from './quality.ts';
import type { RaceModels, RaceProgress } from './race_models.ts';
import { BASE, cacheSize, settingKey, settingName } from './setting.ts';
import type { RaceSetting } from './setting.ts';
import { Starters } from './starters.ts';
import type { Starter } from './starters.ts';
import type { SweepClock } from './sweep_clock.ts';
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
  /** Runs of each setting and context at most, in turns. */
  readonly runs: number;
  readonly prefillTokens: number;
  /** null: do not measure quality. */
  readonly heldOut: HeldOut | null;
}

/** Shares of the whole work: quality, conversions, and loading in what is left to a setting. */
const QUALITY = 0.25;
const CONVERTING = 0.2;
const LOADING = 0.35;

/** Rounds of a context: no more where the runs of each setting lie so close together, (slowest - fastest) / median. */
const FEWEST_ROUNDS = 3;
const SETTLED = 0.1;

/** null: no new figures since the last call. */
type SweepProgress = (what: string, share: number, result: SweepResult | null) => void;

/** Measures the settings in turns with GQA f16, then the quality of each. */
export async function sweep(
  gpu: Gpu,
  models: RaceModels,
  options: SweepOptions,
  clock: SweepClock,
  onProgress: SweepProgress,
  signal: AbortSignal,
): Promise<SweepResult> {
  clock.enter('other');
  const { heldOut } = options;
  const behind = runLength(gpu).warmUp + runLength(gpu).tokens + 1;
  const most = models.longestContext - behind;
  const contexts = fittingContexts(options.contexts, most);
  const within = { ...options, contexts, prefillTokens: Math.min(options.prefillTokens, most) };
  const challengers = options.settings.filter((one) => settingKey(one) !== settingKey(BASE));
  const record = new SweepRecord(gpu, models, challengers, options.filled, clock);
  const cut = options.contexts.filter((context) => context > most);
  if (cut.length > 0) {
    record.note(
      `Contexts end at ${most}: the model was trained for ${models.longestContext} tokens, and some are decoded behind each context.`,
    );
  }
  const judged = heldOut !== null && models.checkpoint !== null;
  const speedShare = judged ? 1 - QUALITY : 1;
  const converting = models.checkpoint === null ? 0 : CONVERTING * speedShare;
  let starters: Starters | undefined;
  try {
    onProgress('streaming limit', 0, null);
    if (gpu.device.features.has('timestamp-query')) record.streamingGBs = await streamingRate(gpu);
    await prepare(models, [BASE, ...challengers], record, signal, (what, share) =>
      onProgress(what, share * converting, null),
    );
    clock.enter('other');
    starters = await Starters.create(gpu, models, record, within);
    const total = Math.max(1, challengers.length);
    let done = 0;
    do {
      const report = (what: string, share: number, result: SweepResult | null): void =>
        onProgress(what, converting + ((speedShare - converting) * (done + share)) / total, result);
      const load = (what: string, loaded: number): void => report(what, LOADING * loaded, null);
      const line = await starters.next(challengers.slice(done), load, signal);
      const others = Math.max(1, line.taken);
      await measure(gpu, models, line.starters, within, record, signal, (what, share, result) =>
        report(what, others * (LOADING + (1 - LOADING) * share), result),
      );
      done += others;
    } while (done < total);
    starters.destroy();
    if (heldOut && judged) {
      clock.enter('quality');
      const measured = [BASE, ...challengers].filter((one) => record.hasPrefill(one));
      await measureQuality(gpu, models, measured, heldOut, record, signal, (what, share) =>
        onProgress(what, speedShare + QUALITY * share, record.result()),
      );
    }
    return record.result();
  } catch (error) {
    throw gpu.failure() ?? error;
  } finally {
    starters?.destroy();
  }
}

/** Converts what has to be, and says how large the caches are. */
async function prepare(
  models: RaceModels,
  settings: readonly RaceSetting[],
  record: SweepRecord,
  signal: AbortSignal,
  onProgress: RaceProgress,
): Promise<void> {
  record.clock.enter('converting');
  for (const [i, setting] of settings.entries()) {
    const report = (what: string, share: number): void => onProgress(what, (i + share) / settings.length);
    const { latent } = await models.source(setting, report, signal);
    record.size(setting, cacheSize(models.config, setting, latent?.layers ?? null));
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

/** Prefill of each, then decoding at each context, all in turns. */
async function measure(
  gpu: Gpu,
  models: RaceModels,
  starters: readonly Starter[],
  { contexts, filled, document, runs, prefillTokens }: SweepOptions,
  record: SweepRecord,
  signal: AbortSignal,
  onProgress: SweepProgress,
): Promise<void> {
  const { clock } = record;
  clock.enter('prefill');
  for (const { setting, model } of starters) {
    if (record.hasPrefill(setting)) continue;
    onProgress(`${settingName(setting)}: prefill of ${prefillTokens}`, 0, null);
    record.prefill(setting, prefillTokens, await prefillMs(model, models, prefillTokens, signal));
  }
  const length = runLength(gpu);
  const text = documentIds(models, contexts.at(-1) ?? 0, filled, document);
  for (const [c, context] of contexts.entries()) {
    const ids = text.slice(0, context);
    const at = c / contexts.length;
    const timed = starters
      .filter((starter) => starter.contexts.includes(context))
      .map((starter) => ({ starter, ms: new Array<number>() }));
    clock.enter('filling');
    for (const { starter } of timed) {
      onProgress(`${settingName(starter.setting)}: filling ${context} tokens`, at, null);
      if (filled === 'real') await starter.model.prefill(ids, signal);
      else starter.model.pretend(ids.slice(0, -1));
    }
    clock.enter('decoding');
    // The first run of a model warms up more than its own tokens.
    if (c === 0) for (const { starter } of timed) await starter.model.decodeRun(ids, length, signal);
    for (let run = 0; run < runs; run++) {
      if (run >= FEWEST_ROUNDS && timed.every(({ ms }) => spread(ms) <= SETTLED)) break;
      onProgress(`decoding at ${context}, run ${run + 1} of ${runs}`, at, null);
      for (const { starter, ms } of run % 2 === 0 ? timed : timed.toReversed()) {
        ms.push(await starter.model.decodeRun(ids, length, signal));
      }
    }
    record.rounds(context, timed);
    onProgress(`decoded at ${context}`, (c + 1) / contexts.length, record.result());
    clock.enter('other');
  }
}

/** A text over and over, until it is as long as the longest context; any ids where there is no text, or nobody reads it. */
function documentIds(
  { tokenizer, config }: RaceModels,
  length: number,
  filled: SweepOptions['filled'],
  document: string,
): number[] {
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

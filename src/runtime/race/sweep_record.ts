import type { Gpu } from '../../gpu/device.ts';
import { crossoverContext, decodeSeconds, ratesOf } from '../../model/cost_model.ts';
import type { DecodeCost, DeviceRates } from '../../model/cost_model.ts';
import type { Evaluation } from '../evaluate.ts';
import { crossover, drift, median, MOST_DRIFT, spread } from '../figures.ts';
import type { Crossover } from '../figures.ts';
import type { AdapterInfo, AttentionForm } from '../types.ts';
import type { RaceModels } from './race_models.ts';
import { attentionOf, BASE, settingKey, settingName } from './setting.ts';
import type { CacheSize, RaceSetting } from './setting.ts';
import type { Starter } from './starters.ts';
import type { SweepClock, SweepSeconds } from './sweep_clock.ts';

/** What a sweep has found so far, and what is made of it. */

export interface SweepSetting extends RaceSetting {
  readonly attention: AttentionForm;
}

export interface SweepRow extends SweepSetting {
  readonly context: number;
  readonly filled: 'real' | 'synthetic';
  /** Median of the runs, a token. */
  readonly decodeMs: number;
  /** In the order that they were measured in. */
  readonly runsMs: readonly number[];
  /** (slowest - fastest) / median */
  readonly spread: number;
  /** GQA f16 in the runs of the same rounds; null in its own row. */
  readonly gqaMs: number | null;
  /** By the cost model (model/cost_model.ts), which knows one time: GQA f16 at the shortest context. null without timestamps. */
  readonly predictedMs: number | null;
  /** Of the whole context. */
  readonly kvBytes: number;
  readonly weightBytesPerToken: number;
  readonly dispatchesPerToken: number;
  /** Weights and cache a token, by the time of a token and what the memory can stream; null without timestamps. */
  readonly streamingShare: number | null;
}

export interface SweepCrossover extends SweepSetting {
  /** From this context on it is faster than GQA f16; null: not up to the longest measured one. */
  readonly context: number | null;
  /** False: it was faster at the shortest context already. */
  readonly found: boolean;
  /** The cost model's; null: nowhere, or there is no prediction. */
  readonly predicted: number | null;
}

export interface SweepQuality extends SweepSetting {
  readonly kvBytesPerToken: number;
  readonly perplexity: number;
  /** Mean KL(original || setting) a token, in nats; the original with an f32 cache. */
  readonly kl: number;
  readonly top1Agreement: number;
  readonly tokens: number;
}

export interface SweepMemory extends SweepSetting {
  readonly kvBytesPerToken: number;
  readonly bytesAt32k: number;
  readonly bytesAt128k: number;
  /** Tokens that one layer's cache may hold by this device's limit of a buffer. */
  readonly longestByLimit: number;
}

export interface SweepResult {
  readonly adapter: AdapterInfo;
  readonly features: readonly string[];
  readonly software: boolean;
  readonly model: string;
  /** Tokens that the model was trained for. */
  readonly modelContext: number;
  readonly streamingGBs: number | null;
  readonly rows: readonly SweepRow[];
  readonly prefill: readonly (SweepSetting & { readonly tokens: number; readonly ms: number })[];
  /** Of the first MLA setting that shrinks the cache (else the first MLA one): see crossovers. */
  readonly crossover: number | null;
  readonly crossovers: readonly SweepCrossover[];
  readonly quality: readonly SweepQuality[];
  /** What conversions were calibrated on; null: nothing was converted. */
  readonly calibrationTokens: number | null;
  readonly memory: readonly SweepMemory[];
  /** Where the time of the sweep went. */
  readonly seconds: SweepSeconds;
  /** What a reader of the figures should know. */
  readonly notes: readonly string[];
}

/** Runs of one setting in the rounds of one context. */
export interface Timed {
  readonly starter: Starter;
  readonly ms: readonly number[];
}

interface Runs {
  readonly setting: RaceSetting;
  readonly context: number;
  readonly ms: number[];
  /** Of the base: in the rounds of these runs. */
  readonly gqaMs: readonly number[];
  readonly kvBytesPerToken: number;
  readonly weightBytesPerToken: number;
  readonly dispatchesPerToken: number;
}

export class SweepRecord {
  streamingGBs: number | null = null;
  readonly clock: SweepClock;
  readonly #gpu: Gpu;
  readonly #models: RaceModels;
  readonly #challengers: readonly RaceSetting[];
  readonly #filled: SweepRow['filled'];
  readonly #runs = new Map<string, Runs>();
  readonly #prefill: SweepResult['prefill'][number][] = [];
  readonly #quality: SweepQuality[] = [];
  readonly #sizes = new Map<string, SweepMemory>();
  readonly #notes: string[] = [];

  constructor(
    gpu: Gpu,
    models: RaceModels,
    challengers: readonly RaceSetting[],
    filled: SweepRow['filled'],
    clock: SweepClock,
  ) {
    this.clock = clock;
    this.#gpu = gpu;
    this.#models = models;
    this.#challengers = challengers;
    this.#filled = filled;
  }

  note(text: string): void {
    if (!this.#notes.includes(text)) this.#notes.push(text);
  }

  size(setting: RaceSetting, { widestRow, token }: CacheSize): void {
    const { maxBufferSize, maxStorageBufferBindingSize } = this.#gpu.device.limits;
    this.#sizes.set(settingKey(setting), {
      ...named(setting),
      kvBytesPerToken: token,
      bytesAt32k: token * 2 ** 15,
      bytesAt128k: token * 2 ** 17,
      longestByLimit: Math.floor(Math.min(maxBufferSize, maxStorageBufferBindingSize) / widestRow),
    });
  }

  prefill(setting: RaceSetting, tokens: number, ms: number): void {
    this.#prefill.push({ ...named(setting), tokens, ms });
  }

  hasPrefill(setting: RaceSetting): boolean {
    return this.#prefill.some((one) => settingKey(one) === settingKey(setting));
  }

  /** What ran in turns. Only GQA may do so again, with others. */
  rounds(context: number, timed: readonly Timed[]): void {
    const isBase = ({ starter }: Timed): boolean => settingKey(starter.setting) === settingKey(BASE);
    const gqaMs = timed.find(isBase)?.ms ?? [];
    for (const one of timed) {
      const { setting, model } = one.starter;
      const key = `${settingKey(setting)}@${context}`;
      const known = this.#runs.get(key);
      if (known) known.ms.push(...one.ms);
      else {
        this.#runs.set(key, {
          setting,
          context,
          ms: [...one.ms],
          gqaMs: isBase(one) ? [] : gqaMs,
          kvBytesPerToken: model.plan.kvBytesPerToken,
          weightBytesPerToken: model.weightBytesPerToken(context),
          dispatchesPerToken: model.plan.dispatchesAt(context),
        });
      }
    }
  }

  /** Of the cache, a token. */
  kvBytesPerToken(setting: RaceSetting): number {
    return this.#sizes.get(settingKey(setting))?.kvBytesPerToken ?? 0;
  }

  quality(setting: RaceSetting, { perplexity, kl = 0, top1Agreement = 0, tokens }: Evaluation): void {
    const kvBytesPerToken = this.kvBytesPerToken(setting);
    this.#quality.push({ ...named(setting), kvBytesPerToken, perplexity, kl, top1Agreement, tokens });
  }

  result(): SweepResult {
    const measured = [...this.#runs.values()];
    const rates = this.#rates(measured);
    const rows = measured.map((runs) => this.#row(runs, rates));
    const crossovers = this.#challengers
      .filter((setting) => rows.some((row) => settingKey(row) === settingKey(setting)))
      .map((setting) => ({
        ...named(setting),
        ...crossoverOf(rows, setting),
        predicted: rates && predictedCrossover(measured, setting, rates),
      }));
    const headline =
      crossovers.find(({ kvBudget }) => kvBudget !== null) ??
      crossovers.find(({ attention }) => attention === 'mla');
    return {
      adapter: this.#gpu.info,
      features: [...this.#gpu.device.features],
      software: this.#gpu.info.software,
      model: this.#models.name,
      modelContext: this.#models.longestContext,
      streamingGBs: this.streamingGBs,
      rows,
      prefill: [...this.#prefill],
      crossover: headline?.context ?? null,
      crossovers,
      quality: [...this.#quality],
      calibrationTokens: this.#models.calibrationTokens,
      memory: [...this.#sizes.values()],
      seconds: this.clock.seconds(),
      notes: [...this.#notes, ...driftNotes(rows)],
    };
  }

  /** What the bytes of GQA's shortest context do not explain is what its dispatches cost. */
  #rates(measured: readonly Runs[]): DeviceRates | null {
    const base = shortestOf(measured, BASE);
    if (!base || this.streamingGBs === null) return null;
    return ratesOf(costOf(base), base.context, 1e9 * this.streamingGBs, median(base.ms) / 1000);
  }

  #row(runs: Runs, rates: DeviceRates | null): SweepRow {
    const { setting, context, ms, gqaMs, kvBytesPerToken, ...plan } = runs;
    const decodeMs = median(ms);
    const kvBytes = kvBytesPerToken * context;
    const rate = (plan.weightBytesPerToken + kvBytes) / decodeMs / 1e6;
    return {
      ...named(setting),
      context,
      filled: this.#filled,
      decodeMs,
      runsMs: [...ms],
      spread: spread(ms),
      gqaMs: gqaMs.length > 0 ? median(gqaMs) : null,
      predictedMs: rates && 1000 * decodeSeconds(costOf(runs), context, rates),
      kvBytes,
      weightBytesPerToken: plan.weightBytesPerToken,
      dispatchesPerToken: plan.dispatchesPerToken,
      streamingShare: this.streamingGBs === null ? null : rate / this.streamingGBs,
    };
  }
}

function costOf({ weightBytesPerToken, kvBytesPerToken, dispatchesPerToken }: Runs): DecodeCost {
  return { weightBytes: weightBytesPerToken, kvBytesPerToken, dispatches: dispatchesPerToken };
}

function shortestOf(measured: readonly Runs[], setting: RaceSetting): Runs | undefined {
  return measured
    .filter((runs) => settingKey(runs.setting) === settingKey(setting))
    .toSorted((a, b) => a.context - b.context)[0];
}

/** With the dispatches of the shortest context: a long one takes a few more of every form. */
function predictedCrossover(
  measured: readonly Runs[],
  setting: RaceSetting,
  rates: DeviceRates,
): number | null {
  const [base, own] = [shortestOf(measured, BASE), shortestOf(measured, setting)];
  return base && own ? crossoverContext(costOf(base), costOf(own), rates) : null;
}

/** The fields of the contract. */
function named({ form, cacheDtype, kvBudget }: RaceSetting): SweepSetting {
  return { attention: attentionOf({ form, cacheDtype, kvBudget }), form, cacheDtype, kvBudget };
}

/** Against the runs of GQA that lie between its own, so that a device that slows down slows both. */
function crossoverOf(
  rows: readonly SweepRow[],
  setting: RaceSetting,
): { context: number | null; found: boolean } {
  const own = rows.filter((row) => settingKey(row) === settingKey(setting));
  const found: Crossover | null = crossover(
    own.flatMap(({ context, gqaMs }) => (gqaMs === null ? [] : [{ context, ms: gqaMs }])),
    own.map(({ context, decodeMs }) => ({ context, ms: decodeMs })),
  );
  return found ?? { context: null, found: false };
}

function driftNotes(rows: readonly SweepRow[]): string[] {
  return rows.flatMap((row) => {
    const change = drift(row.runsMs);
    if (Math.abs(change) <= MOST_DRIFT) return [];
    const [from, to] = [row.runsMs[0] ?? 0, row.runsMs.at(-1) ?? 0];
    return [
      `${settingName(row)} at ${row.context}: the last run took ${to.toFixed(2)} ms a token, the first ${from.toFixed(2)}: the device ${change > 0 ? 'slowed down' : 'sped up'} meanwhile, or is busy.`,
    ];
  });
}

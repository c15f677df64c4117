import { WebMlaError } from '../../core/errors.ts';
import type { Gpu } from '../../gpu/device.ts';
import { Pipelines } from '../../gpu/pipelines.ts';
import { MeasuredModel, runLength } from '../measured_model.ts';
import { measureDepth } from '../readback_latency.ts';
import { LendingBuffers } from './lending_buffers.ts';
import type { RaceModels, RaceProgress } from './race_models.ts';
import { attentionOf, BASE, settingKey, settingName } from './setting.ts';
import type { RaceSetting } from './setting.ts';
import type { SweepRecord } from './sweep_record.ts';

/** A setting that is on the device, ready to be measured. */
export interface Starter {
  readonly setting: RaceSetting;
  readonly model: MeasuredModel;
  /** Those that fit on the device. */
  readonly contexts: readonly number[];
}

/** What is on the device, and how many of those that waited had their turn: some may not run here at all. */
export interface Line {
  readonly starters: readonly [Starter, ...Starter[]];
  readonly taken: number;
}

/** Of all that is loaded at a time: beyond it, devices that page their memory out would be slow instead of full. */
const TOGETHER_BYTES = 4 * 2 ** 30;

/** Loads GQA f16, and beside it as many settings as there is room for: weights that are the same once, kernels compiled together. */
export class Starters {
  readonly #gpu: Gpu;
  readonly #models: RaceModels;
  readonly #record: SweepRecord;
  readonly #contexts: readonly number[];
  /** Positions beside those of the contexts, and positions at least. */
  readonly #behind: number;
  readonly #least: number;
  readonly #depth: number;
  readonly #pipelines: Pipelines;
  #lender: LendingBuffers | null = null;
  #base: Starter | null = null;
  #others: Starter[] = [];

  private constructor(
    gpu: Gpu,
    models: RaceModels,
    record: SweepRecord,
    contexts: readonly number[],
    prefillTokens: number,
    depth: number,
  ) {
    this.#gpu = gpu;
    this.#models = models;
    this.#record = record;
    this.#contexts = contexts;
    this.#least = prefillTokens;
    const { warmUp, tokens } = runLength(gpu);
    this.#behind = warmUp + tokens + 1;
    this.#depth = depth;
    this.#pipelines = new Pipelines(gpu.device);
  }

  static async create(
    gpu: Gpu,
    models: RaceModels,
    record: SweepRecord,
    { contexts, prefillTokens }: { readonly contexts: readonly number[]; readonly prefillTokens: number },
  ): Promise<Starters> {
    // Before there is work that a readback might wait for, and the same for all.
    const depth = await measureDepth(gpu);
    return new Starters(gpu, models, record, contexts, prefillTokens, depth);
  }

  /**
   * The settings that the last call gave are gone.
   * @param waiting in the order of their turns; as many as there is room for, one at least
   * @returns GQA f16, then some of `waiting`; what this device cannot run is a note
   */
  async next(waiting: readonly RaceSetting[], onProgress: RaceProgress, signal: AbortSignal): Promise<Line> {
    this.#clear();
    this.#record.clock.enter('loading');
    const base = (this.#base ??= await this.#loadBase(onProgress, signal));
    let taken = 0;
    for (const setting of waiting) {
      const others = this.#others.length;
      if (others > 0 && !this.#hasRoom(base, setting)) break;
      const report = (what: string, share: number): void => onProgress(what, taken + share);
      const one = await this.#loadFitting(setting, others > 0, this.#lender, report, signal);
      if (one === 'crowded') break;
      taken++;
      if (one !== 'unsupported') this.#others.push(one);
    }
    this.#record.clock.enter('compiling');
    await this.#pipelines.compileAll((done, total) =>
      onProgress(`compiling kernel ${done} of ${total}`, taken),
    );
    return { starters: [base, ...this.#others], taken };
  }

  async #loadBase(onProgress: RaceProgress, signal: AbortSignal): Promise<Starter> {
    const base = await this.#loadFitting(BASE, false, null, onProgress, signal);
    if (typeof base === 'string') throw new RangeError('expected GQA f16 to be loaded or to fail');
    return base;
  }

  /** What it takes is known beforehand, but for the weights of its attention. */
  #hasRoom({ model: { loaded } }: Starter, setting: RaceSetting): boolean {
    const { buffers, weightBytes, plan, contextLength } = loaded;
    const activations = buffers.bytes - weightBytes - plan.cacheBytes;
    const taken = this.#others.reduce((sum, { model }) => sum + model.loaded.buffers.bytes, buffers.bytes);
    return taken + activations + this.#record.kvBytesPerToken(setting) * contextLength <= TOGETHER_BYTES;
  }

  /** For the longest context that there is memory for. */
  async #loadFitting(
    setting: RaceSetting,
    crowded: boolean,
    lender: LendingBuffers | null,
    onProgress: RaceProgress,
    signal: AbortSignal,
  ): Promise<Starter | 'crowded' | 'unsupported'> {
    const name = settingName(setting);
    const source = await this.#models.source(setting, onProgress, signal);
    for (let contexts = this.#contexts; ; contexts = contexts.slice(0, -1)) {
      const longest = contexts.at(-1) ?? 0;
      const buffers = new LendingBuffers(this.#gpu.device, lender);
      try {
        const model = await MeasuredModel.load(this.#gpu, source, {
          attention: attentionOf(setting),
          cacheDtype: setting.cacheDtype,
          contextLength: Math.max(longest, this.#least) + this.#behind,
          depth: this.#depth,
          buffers,
          pipelines: this.#pipelines,
          compileLater: true,
          onProgress: ({ loaded, total }) => onProgress(`${name}: loading`, loaded / total),
          signal,
        });
        if (settingKey(setting) === settingKey(BASE)) this.#lender = buffers;
        // Meanwhile the next one is loaded. Who waits for the pipelines hears what is wrong with them.
        this.#pipelines.compileAll().catch(() => {});
        return { setting, model, contexts };
      } catch (error) {
        if (isUnsupported(error) && settingKey(setting) !== settingKey(BASE)) {
          this.#record.note(`${name}: ${error.message}`);
          return 'unsupported';
        }
        if (!isTooLarge(error)) throw error;
        if (crowded) return 'crowded';
        if (contexts.length < 2) throw error;
        this.#record.note(`${name}: a context of ${longest} does not fit on this device.`);
      }
    }
  }

  #clear(): void {
    for (const { model } of this.#others) model.destroy();
    this.#others = [];
  }

  destroy(): void {
    this.#clear();
    this.#base?.model.destroy();
    this.#base = null;
  }
}

function isUnsupported(error: unknown): error is WebMlaError {
  return error instanceof WebMlaError && error.code === 'unsupported';
}

function isTooLarge(error: unknown): boolean {
  return error instanceof WebMlaError && (error.code === 'limit_exceeded' || error.code === 'out_of_memory');
}

import type { CacheFormat } from '../core/cache_rows.ts';
import { throwIfAborted } from '../core/errors.ts';
import type { Gpu } from '../gpu/device.ts';
import type { Plan, PrefillMath } from '../model/plan.ts';
import type { Tuning } from '../model/tuning.ts';
import type { DecoderSource } from './decoder_source.ts';
import { loadDecoder } from './load.ts';
import type { LoadedModel, LoadOptions } from './load.ts';
import { measureDepth } from './readback_latency.ts';
import { Session } from './session.ts';
import type { AttentionForm, LoadProgress } from './types.ts';

export interface MeasuredOptions extends Pick<LoadOptions, 'pipelines' | 'compileLater' | 'buffers'> {
  readonly attention: AttentionForm;
  readonly cacheDtype: CacheFormat;
  /** Positions that all measurements need. */
  readonly contextLength: number;
  readonly onProgress: (progress: LoadProgress) => void;
  /** Default: everything that is fused. */
  readonly tuning?: Partial<Tuning> | undefined;
  readonly prefillMath?: PrefillMath | undefined;
  /** Steps in flight; default: measured. */
  readonly depth?: number | undefined;
  readonly signal: AbortSignal | undefined;
}

/** How much work a run of decoding is: tokens that are timed, and those before them that are not. */
export interface RunLength {
  readonly warmUp: number;
  readonly tokens: number;
}

/** Software adapters, whose figures nobody quotes, get less to do. */
export function runLength({ info }: Gpu): RunLength {
  return info.software ? { warmUp: 3, tokens: 6 } : { warmUp: 12, tokens: 72 };
}

/** Slow tokens are timed well by few of them. */
const FEWEST_TOKENS = 12;
const LONG_MS = 80;

/** A model on a device, to be timed. What bench and the race measure with, so that their figures agree. */
export class MeasuredModel {
  readonly attention: AttentionForm;
  /** gqa, strict, reuse, recon */
  readonly form: string;
  readonly loaded: LoadedModel;
  readonly #session: Session;

  private constructor(attention: AttentionForm, loaded: LoadedModel, session: Session) {
    this.attention = attention;
    this.form = loaded.latentForm ?? 'gqa';
    this.loaded = loaded;
    this.#session = session;
  }

  static async load(gpu: Gpu, source: DecoderSource, options: MeasuredOptions): Promise<MeasuredModel> {
    const depth = options.depth ?? (await measureDepth(gpu));
    const loaded = await loadDecoder(source, gpu, { ...options, promptLogits: false, spare: depth });
    const { plan, config, buffers } = loaded;
    const session = new Session(gpu, plan, config.vocab_size, buffers, depth);
    return new MeasuredModel(options.attention, loaded, session);
  }

  get plan(): Plan {
    return this.loaded.plan;
  }

  get session(): Session {
    return this.#session;
  }

  /** Weights that a decoded token reads, behind `context` others; the up-projections of MLA are weights, too. */
  weightBytesPerToken(context: number): number {
    const step = this.plan.step(context, 1);
    return [this.plan.decode, this.plan.greedy]
      .flat()
      .filter(({ label }) => /(_proj|head|embed_q|unembed_out)$/.test(label))
      .reduce((sum, dispatch) => sum + dispatch.bytesMoved(step), 0);
  }

  /** Takes the cache for one that holds these tokens; its rows stay what they are (zeros, where nothing was written). */
  pretend(ids: readonly number[]): void {
    this.#session.pretend(ids);
  }

  /** Computes what the cache does not hold of these tokens yet. @returns ms until the first token behind them was read */
  async prefill(ids: readonly number[], signal: AbortSignal | undefined): Promise<number> {
    let ms = NaN;
    const onPrefilled = ({ prefillMs }: { prefillMs: number }): void => {
      ms = prefillMs;
    };
    const room = ids.length + 1;
    for await (const id of this.#session.generate(ids, room, { sampling: 'argmax', onPrefilled, signal })) {
      void id;
      break;
    }
    return ms;
  }

  /** Ms of a token decoded greedily behind `ids`, mean of one run. The cache holds `ids` before and afterwards. */
  async decodeRun(
    ids: readonly number[],
    { warmUp, tokens }: RunLength,
    signal: AbortSignal | undefined,
  ): Promise<number> {
    throwIfAborted(signal);
    let [started, count] = [NaN, 0];
    for await (const id of this.#session.generate(ids, this.loaded.contextLength, {
      sampling: 'argmax',
      signal,
    })) {
      void id;
      const now = performance.now();
      if (count === warmUp) started = now;
      const timed = count - warmUp;
      if (timed === tokens || (timed >= FEWEST_TOKENS && now - started > LONG_MS)) {
        return (now - started) / timed;
      }
      count++;
    }
    throw new RangeError(`a run of ${warmUp + tokens} tokens: expected room for them`);
  }

  destroy(): void {
    this.loaded.buffers.destroy();
  }
}

/** Any ids: speed does not depend on which. @param vocabSize ids are below it */
export function someIds(length: number, vocabSize: number): number[] {
  return Array.from({ length }, (_, i) => (i * 7919) % Math.min(1000, vocabSize));
}

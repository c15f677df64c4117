import { candidateName, choiceOf, energyLeftOut } from '../convert/candidates.ts';
import type { Candidate, Intent } from '../convert/candidates.ts';
import type { Measured } from '../convert/report.ts';
import type { LayerStatistics } from '../convert/statistics.ts';
import type { CacheFormat } from '../core/cache_rows.ts';
import type { ModelConfig } from '../core/config.ts';
import type { WeightFormat } from '../core/packed.ts';
import type { Gpu } from '../gpu/device.ts';
import { Pipelines } from '../gpu/pipelines.ts';
import { rounded } from './converted_weights.ts';
import { convertLayers } from './converted_layers.ts';
import type { DecoderSource } from './decoder_source.ts';
import { evaluate } from './evaluate.ts';
import type { Evaluation } from './evaluate.ts';
import type { LayerThreads } from './layer_pool.ts';
import { loadDecoder } from './load.ts';
import type { LoadedModel } from './load.ts';
import type { Meter } from './search_budget.ts';

export interface CandidateMeterOptions {
  readonly source: DecoderSource;
  readonly statistics: readonly LayerStatistics[];
  readonly intent: Intent;
  /** Format of what conversions make. */
  readonly madeWeights: WeightFormat;
  /** Rows that were held back. */
  readonly windows: readonly Uint32Array<ArrayBuffer>[];
  readonly threads?: LayerThreads | null | undefined;
  /** Before a candidate is measured. */
  readonly onMeasure: (name: string) => void;
  readonly signal?: AbortSignal | undefined;
}

/** Layers that are asked what a form leaves out; they lie far apart. */
const SAMPLED = 3;

/** Measures candidates of one model on one device. */
export class CandidateMeter implements Meter {
  readonly #gpu: () => Gpu;
  readonly #options: CandidateMeterOptions;
  readonly #leftOut = new Map<string, Promise<number>>();
  #original: Evaluation | undefined;
  /** Candidates share all kernels but those of attention. */
  #compiled: Pipelines | undefined;

  /** @param gpu not asked for as long as nothing is measured */
  constructor(gpu: () => Gpu, options: CandidateMeterOptions) {
    this.#gpu = gpu;
    this.#options = options;
  }

  async leftOut(candidate: Candidate): Promise<number> {
    const { form, row_dim } = candidate;
    const key = `${form} ${row_dim}`;
    const known = this.#leftOut.get(key) ?? this.#meanLeftOut(candidate);
    this.#leftOut.set(key, known);
    return known;
  }

  async measure(candidate: Candidate): Promise<Measured> {
    const { source, onMeasure } = this.#options;
    const original = await this.original();
    onMeasure(candidateName(candidate));
    const { form, cacheDtype } = candidate;
    if (form === 'gqa') return this.#measured(await this.load(source, cacheDtype, 'gqa'), original);
    const layers = this.#converted(candidate);
    const { madeWeights } = this.#options;
    try {
      const converted: DecoderSource = {
        config: source.config,
        latent: null,
        layer: async (index) => source.layer(index),
        ends: async () => source.ends(),
        notes: () => source.notes(),
        convertedLayer: async (index) => {
          const { value, done } = await layers.next();
          if (done) throw new RangeError(`layer ${index}: expected a converted layer, got none`);
          return rounded(value.layer, madeWeights);
        },
      };
      return await this.#measured(await this.load(converted, cacheDtype, 'mla'), original);
    } finally {
      await layers.return();
    }
  }

  /** The original with an f32 cache: what rises are counted from. */
  async original(): Promise<Evaluation> {
    if (this.#original) return this.#original;
    this.#options.onMeasure('original');
    const model = await this.load(this.#options.source, 'f32', 'gqa');
    try {
      return (this.#original = await this.evaluate(model));
    } finally {
      model.buffers.destroy();
    }
  }

  async evaluate(model: LoadedModel, against?: LoadedModel): Promise<Evaluation> {
    const { windows, signal } = this.#options;
    return evaluate(this.#gpu(), model, windows, { against, signal, pipelines: this.#pipelines() });
  }

  /** @param fold multiply matrices ahead where that pays, as an engine does; what is scored only need not */
  async load(
    source: DecoderSource,
    cacheDtype: CacheFormat,
    attention: 'gqa' | 'mla',
    fold = false,
  ): Promise<LoadedModel> {
    const { windows, signal } = this.#options;
    return loadDecoder(source, this.#gpu(), {
      attention,
      cacheDtype,
      contextLength: windows.reduce((most, { length }) => Math.max(most, length), 0),
      promptLogits: true,
      pipelines: this.#pipelines(),
      tuning: { fold },
      spare: 0,
      onProgress: () => {},
      signal,
    });
  }

  #pipelines(): Pipelines {
    return (this.#compiled ??= new Pipelines(this.#gpu().device));
  }

  async #measured(model: LoadedModel, original: Evaluation): Promise<Measured> {
    try {
      const { nllPerToken, perplexity } = await this.evaluate(model);
      const bytes = model.plan.kvBytesPerToken;
      return { bytes, rise: nllPerToken - original.nllPerToken, perplexity };
    } finally {
      model.buffers.destroy();
    }
  }

  async #meanLeftOut(candidate: Candidate): Promise<number> {
    const { config } = this.#options.source;
    const parts: number[] = [];
    for await (const { report } of this.#converted(candidate, sampledLayers(config))) {
      parts.push(energyLeftOut(report) ?? 0);
    }
    return parts.reduce((sum, part) => sum + part, 0) / parts.length;
  }

  #converted(candidate: Candidate, layers?: readonly number[]): ReturnType<typeof convertLayers> {
    const { source, statistics, intent, threads, signal } = this.#options;
    return convertLayers(source.config, source, statistics, choiceOf(intent, candidate), {
      threads,
      layers,
      signal,
    });
  }
}

function sampledLayers({ num_hidden_layers: count }: ModelConfig): number[] {
  const sampled = Math.min(SAMPLED, count);
  return Array.from({ length: sampled }, (_, i) => Math.floor(((i + 0.5) * count) / sampled));
}

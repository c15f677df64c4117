import type { MethodChoice } from '../../src/convert/budget.ts';
import type { LayerStatistics } from '../../src/convert/statistics.ts';
import { cacheBytes } from '../../src/core/cache_rows.ts';
import type { CacheFormat, CacheShape } from '../../src/core/cache_rows.ts';
import { WebMlaError } from '../../src/core/errors.ts';
import type { DecoderEnds, DecoderLayer, GqaAttention, MlaAttention } from '../../src/core/layers.ts';
import { latentShape } from '../../src/core/layers.ts';
import type { Checkpoint } from '../../src/formats/checkpoint.ts';
import { gpuMemory } from '../../src/gpu/buffers.ts';
import type { Gpu } from '../../src/gpu/device.ts';
import { Pipelines } from '../../src/gpu/pipelines.ts';
import { architectureOf } from '../../src/model/architecture.ts';
import { calibrate } from '../../src/runtime/calibrate.ts';
import { rounded } from '../../src/runtime/converted_weights.ts';
import { convertAndRefit } from '../../src/runtime/converted_layers.ts';
import type { ConvertedLayer, LayerAhead } from '../../src/runtime/converted_layers.ts';
import type { DecoderSource } from '../../src/runtime/decoder_source.ts';
import { evaluate } from '../../src/runtime/evaluate.ts';
import { KeptLogits } from '../../src/runtime/kept_logits.ts';
import { loadDecoder } from '../../src/runtime/load.ts';
import type { LoadedModel } from '../../src/runtime/load.ts';
import { WeightReader } from '../../src/runtime/weight_reader.ts';
import { withRopeRemoved } from '../../src/runtime/rope_removed.ts';
import { layerThreads } from '../../src/cli/layer_threads.ts';
import { MadeLayers } from './made_layers.ts';
import { profileLayer } from './profile.ts';
import { scoreOf } from './results.ts';
import type { TextScore } from './results.ts';

type Rows = readonly Uint32Array<ArrayBuffer>[];

/** A text, cut into windows, and what the original says of it. */
interface HeldText {
  readonly name: string;
  readonly windows: Rows;
  readonly originalNll: number;
  /** null: the original runs beside every model. */
  readonly kept: KeptLogits | null;
}

/** Bytes are counted at this context. */
const CONTEXT = 8192;

/** One model on one device, of which many conversions are measured: weights are read once, the original's logits made once. */
export class QualityLab {
  readonly checkpoint: Checkpoint;
  readonly made: MadeLayers;
  readonly #gpu: Gpu;
  readonly #pipelines: Pipelines;
  readonly #source: DecoderSource;
  readonly #texts: HeldText[] = [];
  #original: LoadedModel | null = null;
  #recalibrated: { readonly key: string; readonly statistics: readonly LayerStatistics[] } | null = null;

  constructor(gpu: Gpu, checkpoint: Checkpoint) {
    this.checkpoint = checkpoint;
    this.#gpu = gpu;
    this.#pipelines = new Pipelines(gpu.device);
    this.#source = remembered(
      new WeightReader(checkpoint, architectureOf(checkpoint.config), 'as-is', undefined),
    );
    this.made = new MadeLayers(checkpoint.config, this.#source);
  }

  async calibrate(rows: Rows): Promise<readonly LayerStatistics[]> {
    const options = { pipelines: this.#pipelines };
    return calibrate(this.#gpu, this.checkpoint.config, this.#source, rows, options);
  }

  /** Statistics with TransMLA's second calibration in them; those of the choice asked for last stay. */
  async recalibrated(
    choice: MethodChoice,
    statistics: readonly LayerStatistics[],
    rows: Rows,
  ): Promise<readonly LayerStatistics[]> {
    const key = JSON.stringify(choice);
    if (this.#recalibrated?.key !== key) {
      const { config } = this.checkpoint;
      const options = { threads: layerThreads() };
      const args = [this.#source, statistics, choice, rows, this.#pipelines, options] as const;
      this.#recalibrated = { key, statistics: await withRopeRemoved(this.#gpu, config, ...args) };
    }
    return this.#recalibrated.statistics;
  }

  /** Scores the original with an f32 cache. @param keep its logits, for all that comes */
  async addText(name: string, windows: Rows, keep: boolean): Promise<TextScore> {
    const model = (this.#original ??= await this.#load(this.#source, 'f32', 'gqa', windows));
    const found = await evaluate(this.#gpu, model, windows, { pipelines: this.#pipelines });
    const kept = keep ? await keptIfTheyFit(this.#gpu, model, windows) : null;
    this.#texts.push({ name, windows, originalNll: found.nllPerToken, kept });
    return scoreOf(found, found.nllPerToken);
  }

  /** Where a layer's GPU time goes, of one that was made. */
  async profile(made: LayerAhead, ids: Uint32Array<ArrayBuffer>): ReturnType<typeof profileLayer> {
    return profileLayer(this.#gpu, this.checkpoint.config, this.#source, ids, made, this.#pipelines);
  }

  /** Layers refined and refitted on rows, as `webmla convert` does. */
  async refit(
    made: readonly LayerAhead[],
    statistics: readonly LayerStatistics[],
    choice: MethodChoice,
    rows: Rows,
    steps: number,
  ): Promise<ConvertedLayer[]> {
    const layers: ConvertedLayer[] = [];
    const { config } = this.checkpoint;
    const options = { made, refineSteps: steps, threads: layerThreads() };
    for await (const layer of convertAndRefit(
      this.#gpu,
      config,
      this.#source,
      statistics,
      choice,
      rows,
      this.#pipelines,
      options,
    )) {
      layers.push(layer);
    }
    return layers;
  }

  /** @param layers null: the original's own attention */
  async measure(
    layers: readonly DecoderLayer<MlaAttention>[] | null,
    cacheDtype: CacheFormat,
    clock: StageTimes,
  ): Promise<Readonly<Record<string, TextScore>>> {
    const source = layers ? withAttention(this.#source, layers) : this.#source;
    const windows = this.#texts.flatMap((text) => text.windows);
    const form = layers ? 'mla' : 'gqa';
    const model = await clock.stage('load', async () => this.#load(source, cacheDtype, form, windows));
    try {
      return await clock.stage('evaluate', async () => {
        const scores: Record<string, TextScore> = {};
        for (const { name, windows: some, originalNll, kept } of this.#texts) {
          const against = kept ?? this.#original ?? undefined;
          const options = { against, pipelines: this.#pipelines };
          scores[name] = scoreOf(await evaluate(this.#gpu, model, some, options), originalNll);
        }
        return scores;
      });
    } finally {
      model.buffers.destroy();
    }
  }

  /** Of a token at a context of 8,192. */
  bytesPerToken(layers: readonly DecoderLayer<MlaAttention>[] | null, cacheDtype: CacheFormat): number {
    const { num_hidden_layers, num_key_value_heads: groups, head_dim } = this.checkpoint.config;
    const gqa = { groups, row_dim: 2 * head_dim, split_dim: head_dim, max_len: CONTEXT };
    const shapes: CacheShape[] = layers
      ? layers.map(({ self_attn }) => {
          const { row_dim } = latentShape(self_attn);
          return { groups: 1, row_dim, split_dim: self_attn.kv_lora_rank, max_len: CONTEXT };
        })
      : Array.from({ length: num_hidden_layers }, () => gqa);
    return shapes.reduce((sum, shape) => sum + cacheBytes(shape, cacheDtype), 0) / CONTEXT;
  }

  async #load(
    source: DecoderSource,
    cacheDtype: CacheFormat,
    attention: 'gqa' | 'mla',
    windows: Rows,
  ): Promise<LoadedModel> {
    const contextLength = windows.reduce((most, { length }) => Math.max(most, length), 0);
    return loadDecoder(source, this.#gpu, {
      attention,
      cacheDtype,
      contextLength,
      // A window is one step where that does not cost memory that is missed.
      chunk: this.#gpu.info.software ? undefined : Math.max(2, contextLength),
      promptLogits: true,
      pipelines: this.#pipelines,
      spare: 0,
      onProgress: () => {},
      signal: undefined,
    });
  }
}

/** Milliseconds and most GPU memory of stages. */
export class StageTimes {
  readonly ms: Record<string, number> = {};
  readonly gpuBytes: Record<string, number> = {};

  async stage<T>(name: string, work: () => Promise<T>): Promise<T> {
    gpuMemory.peak = gpuMemory.bytes;
    const started = performance.now();
    const result = await work();
    this.ms[name] = performance.now() - started;
    this.gpuBytes[name] = gpuMemory.peak;
    return result;
  }
}

/** Without room for them the original runs again each time. */
async function keptIfTheyFit(gpu: Gpu, model: LoadedModel, windows: Rows): Promise<KeptLogits | null> {
  try {
    return await KeptLogits.gather(gpu, model, windows);
  } catch (error) {
    if (error instanceof WebMlaError && ['out_of_memory', 'limit_exceeded'].includes(error.code)) return null;
    throw error;
  }
}

/** Layers are read and unpacked once. */
function remembered(source: DecoderSource): DecoderSource {
  const layers = new Map<number, Promise<DecoderLayer<GqaAttention>>>();
  let ends: Promise<DecoderEnds> | undefined;
  return {
    config: source.config,
    latent: source.latent,
    notes: () => source.notes(),
    layer: async (index) => {
      const layer = layers.get(index) ?? source.layer(index);
      layers.set(index, layer);
      return layer;
    },
    ends: async () => (ends ??= source.ends()),
  };
}

function withAttention(source: DecoderSource, layers: readonly DecoderLayer<MlaAttention>[]): DecoderSource {
  return {
    ...source,
    latent: null,
    convertedLayer: async (index) => {
      const layer = layers[index];
      if (!layer) throw new RangeError(`layer ${index}: expected one of ${layers.length}`);
      return rounded(layer, 'f16');
    },
  };
}

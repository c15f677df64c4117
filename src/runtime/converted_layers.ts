import { attentionShape } from '../convert/attention_shape.ts';
import { isQuantised, methodOptions } from '../convert/budget.ts';
import type { MethodChoice } from '../convert/budget.ts';
import { attentionOf } from '../convert/convert_layer.ts';
import type { LatentMaps } from '../convert/latent_maps.ts';
import { linearOf, weightOf } from '../convert/linear_weights.ts';
import { refitEquations, refitted } from '../convert/refit_output.ts';
import type { LayerReport } from '../convert/report.ts';
import type { LayerStatistics } from '../convert/statistics.ts';
import { throwIfAborted } from '../core/errors.ts';
import type { CacheFormat } from '../core/cache_rows.ts';
import type { ModelConfig } from '../core/config.ts';
import type { DecoderLayer, GqaAttention, MlaAttention } from '../core/layers.ts';
import { watchMemory } from '../gpu/buffers.ts';
import type { Gpu } from '../gpu/device.ts';
import type { Pipelines } from '../gpu/pipelines.ts';
import { embedRows, withLayer } from './calibrate.ts';
import type { LayerSource } from './calibrate.ts';
import { LayerStream } from './layer_stream.ts';
import type { StreamLayer, StreamRow } from './layer_stream.ts';
import { refineLayer } from './refine/refine_layer.ts';
import { LayerPool } from './layer_pool.ts';
import type { LayerThreads } from './layer_pool.ts';
import { gatherRefitSums } from './refit_sums.ts';
import type { RefitSums } from './refit_sums.ts';

export interface ConvertedLayer {
  readonly index: number;
  readonly layer: DecoderLayer<MlaAttention>;
  readonly report: LayerReport;
  /** Time of the algebra, on whatever thread. */
  readonly algebraMs: number;
  readonly refineMs: number;
  /** Time that the refit took, both models' passes over the rows with it; 0 without one. */
  readonly refitMs: number;
  /** Of that, o_proj's equations on the host. */
  readonly solveMs: number;
}

/** Heads of rows that are kept from the refit's sums to the layer's output: what is more than that is computed twice. */
const HEADS_BYTES = 128e6;
/** Threads that a refit's equations are shared out to. */
const SOLVERS = 6;

/** A layer as a method made it, before any refinement or refit. */
export interface LayerAhead {
  readonly original: DecoderLayer<GqaAttention>;
  readonly maps: LatentMaps;
  readonly converted: ConvertedLayer;
}

export interface ThreadOptions {
  /** Default: everything on this thread. */
  readonly threads?: LayerThreads | null | undefined;
  /** Default: every layer. */
  readonly layers?: readonly number[] | undefined;
  readonly signal?: AbortSignal | undefined;
}

/** Layers without refit: needs no GPU. */
export async function* convertLayers(
  config: ModelConfig,
  source: LayerSource,
  statistics: readonly LayerStatistics[],
  choice: MethodChoice,
  options: ThreadOptions = {},
): AsyncGenerator<ConvertedLayer, void> {
  for await (const { converted } of layersAhead(config, source, statistics, choice, options)) yield converted;
}

export interface StreamOptions extends ThreadOptions {
  /** Refits o_proj. Default true. */
  readonly refit?: boolean;
  /** Steps of Adam on all maps of a layer, before the refit. Default 0. */
  readonly refineSteps?: number;
  /** Called after every step of every layer. */
  readonly onRefineStep?: (() => void) | undefined;
  /** Layers that were made before, of the same choice. Default: they are made here. */
  readonly made?: Iterable<LayerAhead> | undefined;
}

/**
 * Layers that are refined and whose o_proj is refitted on the stream of the layers converted before (research/lab, step 8).
 * Original and converted model run side by side over `rows`, layer by layer.
 */
export async function* convertAndRefit(
  gpu: Gpu,
  config: ModelConfig,
  source: LayerSource,
  statistics: readonly LayerStatistics[],
  choice: MethodChoice,
  rows: readonly Uint32Array<ArrayBuffer>[],
  pipelines: Pipelines,
  options: StreamOptions = {},
): AsyncGenerator<ConvertedLayer, void> {
  const { signal, refit = true } = options;
  const longest = rows.reduce((most, { length }) => Math.max(most, length), 0);
  const stream = new LayerStream(gpu, config, longest, pipelines);
  // Of its own: that of the layers ahead ends with the last of them.
  const pool = new LayerPool(options.threads ?? null, SOLVERS);
  const stop = (): void => pool.end();
  signal?.addEventListener('abort', stop);
  try {
    const before = await embedRows(stream, source, rows);
    const after = await embedRows(stream, source, rows);
    const ahead = options.made ?? layersAhead(config, source, statistics, choice, options);
    const cacheFormat = refitCache(choice);
    const heads = await watchMemory(gpu.device, 'heads of the refit', () =>
      refit ? stream.keepHeads(after, HEADS_BYTES) : [],
    );
    for await (const { original, maps, converted: made } of ahead) {
      const { index } = made;
      const started = performance.now();
      const { refined, sums } = await withLayer(stream, index, original, async (weights) => {
        const prepared = await stream.prepare(index, weights);
        try {
          const streams = { layer: prepared, before, after };
          const better = await refine(stream, original, made, maps, streams, statistics, choice, options);
          if (refit) {
            const found = await refitSums(stream, better, streams, cacheFormat, heads, signal);
            return { refined: better, sums: found };
          }
          await stream.advance(prepared, before, signal);
          return { refined: better, sums: null };
        } finally {
          prepared.destroy();
        }
      });
      const summed = performance.now();
      const layer = sums ? await withRefit(pool, config, refined.layer, sums) : refined.layer;
      const solveMs = performance.now() - summed;
      await withLayer(stream, index, layer, async (weights) => {
        const prepared = await stream.prepare(index, weights, cacheFormat);
        await stream.advance(prepared, after, signal, sums ? heads : []);
        prepared.destroy();
      });
      const refitMs = performance.now() - started - refined.refineMs;
      yield { ...refined, layer, refitMs, solveMs };
    }
  } catch (error) {
    throw gpu.failure() ?? error;
  } finally {
    signal?.removeEventListener('abort', stop);
    pool.end();
    stream.destroy();
  }
}

/**
 * What converted layers read on the stream: a quantised cache as it will be, so that o_proj is fitted to what rounding leaves, of
 * this layer and those before (`refitCache=f32`: not).
 */
function refitCache({ cacheDtype, options }: MethodChoice): CacheFormat {
  return isQuantised(cacheDtype) && options['refitCache'] !== 'f32' ? cacheDtype : 'f32';
}

/** The original layer and the rows of both streams that come to it. */
interface Streams {
  readonly layer: StreamLayer;
  readonly before: readonly StreamRow[];
  readonly after: readonly StreamRow[];
}

/** A layer with its maps trained; as it was where no steps are asked for. */
async function refine(
  stream: LayerStream,
  original: DecoderLayer<GqaAttention>,
  made: ConvertedLayer,
  maps: LatentMaps,
  { layer, before, after }: Streams,
  statistics: readonly LayerStatistics[],
  { cacheDtype }: MethodChoice,
  { refineSteps = 0, onRefineStep, signal }: StreamOptions,
): Promise<ConvertedLayer> {
  const known = statistics[made.index];
  if (refineSteps === 0 || !known) return made;
  const started = performance.now();
  const start = { maps, o_proj: original.self_attn.o_proj };
  const found = await refineLayer(stream, layer, before, after, start, known.plain, {
    steps: refineSteps,
    onStep: onRefineStep,
    signal,
  });
  const self_attn = attentionOf(
    attentionShape(stream.config),
    { ...original.self_attn, o_proj: found.o_proj },
    found.maps,
    known,
    { quantisedCache: isQuantised(cacheDtype) },
  );
  return {
    ...made,
    layer: { ...original, self_attn },
    report: { ...made.report, refinement: found.refinement },
    refineMs: performance.now() - started,
  };
}

/** What the refit must know of a converted layer; takes the original's rows to the next one. */
async function refitSums(
  stream: LayerStream,
  { index, layer }: ConvertedLayer,
  { layer: original, before, after }: Streams,
  cacheFormat: CacheFormat,
  heads: readonly GPUBuffer[],
  signal: AbortSignal | undefined,
): Promise<RefitSums> {
  return withLayer(stream, index, layer, async (weights) => {
    const prepared = await stream.prepare(index, weights, cacheFormat);
    try {
      return await gatherRefitSums(
        stream,
        { layer: original, rows: before },
        { layer: prepared, rows: after },
        { advance: true, heads, signal },
      );
    } finally {
      prepared.destroy();
    }
  });
}

async function withRefit(
  pool: LayerPool,
  { num_attention_heads, head_dim, hidden_size }: ModelConfig,
  layer: DecoderLayer<MlaAttention>,
  { outputs, targets }: RefitSums,
): Promise<DecoderLayer<MlaAttention>> {
  const inputs = num_attention_heads * head_dim;
  const { left, right } = refitEquations(
    { inputs, hidden_size, inputMoments: outputs, crossMoments: targets },
    weightOf(layer.self_attn.o_proj),
  );
  const { weight, bias } = refitted(await pool.solve(left, right));
  return { ...layer, self_attn: { ...layer.self_attn, o_proj: linearOf(weight, bias) } };
}

/**
 * Original and converted layers in order, made as far ahead as there are threads: maps depend on statistics and weights only,
 * so the GPU may refit one layer while the next ones are made.
 */
export async function* layersAhead(
  config: ModelConfig,
  source: LayerSource,
  statistics: readonly LayerStatistics[],
  choice: MethodChoice,
  { threads, layers, signal }: ThreadOptions,
): AsyncGenerator<LayerAhead, void> {
  const indices = layers ?? Array.from({ length: config.num_hidden_layers }, (_, i) => i);
  const ahead = indices.values();
  const pool = new LayerPool(threads ?? null, indices.length);
  const stop = (): void => pool.end();
  signal?.addEventListener('abort', stop);
  const make = async (index: number): Promise<LayerAhead> =>
    convertOne(pool, config, index, await source.layer(index), statistics, choice);
  const waiting: Promise<LayerAhead>[] = [];
  try {
    for (let done = 0; done < indices.length; done++) {
      throwIfAborted(signal);
      while (waiting.length <= pool.size) {
        const { value: index, done: all } = ahead.next();
        if (all) break;
        const next = make(index);
        // It may fail while an earlier layer is waited for: it is reported when its turn comes.
        next.catch(() => undefined);
        waiting.push(next);
      }
      const made = await waiting.shift();
      throwIfAborted(signal);
      if (made) yield made;
    }
  } finally {
    signal?.removeEventListener('abort', stop);
    pool.end();
  }
}

async function convertOne(
  pool: LayerPool,
  config: ModelConfig,
  index: number,
  original: DecoderLayer<GqaAttention>,
  statistics: readonly LayerStatistics[],
  choice: MethodChoice,
): Promise<LayerAhead> {
  const known = statistics[index];
  if (!known) throw new RangeError(`layer ${index}: expected statistics`);
  const { num_attention_heads, num_key_value_heads, head_dim, rope_scaling } = config;
  const { attention, maps, report, algebraMs } = await pool.make({
    config: { num_attention_heads, num_key_value_heads, head_dim, rope_scaling },
    layer: index,
    attention: original.self_attn,
    statistics: known,
    method: methodOptions(attentionShape(config), choice),
    options: { quantisedCache: isQuantised(choice.cacheDtype) },
  });
  const layer = { ...original, self_attn: attention };
  return {
    original,
    maps,
    converted: { index, layer, report, algebraMs, refineMs: 0, refitMs: 0, solveMs: 0 },
  };
}

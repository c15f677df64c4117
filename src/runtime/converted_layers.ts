import { attentionShape } from '../convert/attention_shape.ts';
import { isQuantised, methodOptions } from '../convert/budget.ts';
import type { MethodChoice } from '../convert/budget.ts';
import { linearOf, weightOf } from '../convert/linear_weights.ts';
import { refitOutput } from '../convert/refit_output.ts';
import type { LayerReport } from '../convert/report.ts';
import type { LayerStatistics } from '../convert/statistics.ts';
import { throwIfAborted } from '../core/errors.ts';
import type { ModelConfig } from '../core/config.ts';
import type { DecoderLayer, GqaAttention, MlaAttention } from '../core/layers.ts';
import type { Gpu } from '../gpu/device.ts';
import type { Pipelines } from '../gpu/pipelines.ts';
import { embedRows, withLayer } from './calibrate.ts';
import type { LayerSource } from './calibrate.ts';
import { LayerStream } from './layer_stream.ts';
import { LayerPool } from './layer_pool.ts';
import type { LayerThreads } from './layer_pool.ts';
import { gatherRefitSums } from './refit_sums.ts';

export interface ConvertedLayer {
  readonly index: number;
  readonly layer: DecoderLayer<MlaAttention>;
  readonly report: LayerReport;
  /** Time of the algebra, on whatever thread. */
  readonly algebraMs: number;
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

/**
 * Layers whose o_proj is refitted on the stream of the layers converted before (research/lab, step 8). Original and converted
 * model run side by side over `rows`, layer by layer.
 */
export async function* convertAndRefit(
  gpu: Gpu,
  config: ModelConfig,
  source: LayerSource,
  statistics: readonly LayerStatistics[],
  choice: MethodChoice,
  rows: readonly Uint32Array<ArrayBuffer>[],
  pipelines: Pipelines,
  options: ThreadOptions = {},
): AsyncGenerator<ConvertedLayer, void> {
  const { signal } = options;
  const longest = rows.reduce((most, { length }) => Math.max(most, length), 0);
  const stream = new LayerStream(gpu, config, longest, pipelines);
  try {
    const before = await embedRows(stream, source, rows);
    const after = await embedRows(stream, source, rows);
    const ahead = layersAhead(config, source, statistics, choice, options);
    for await (const { original, converted: made } of ahead) {
      const { index } = made;
      const sums = await withLayer(stream, index, original, async (weights) => {
        const prepared = await stream.prepare(index, weights);
        const found = await withLayer(stream, index, made.layer, async (converted) => {
          const other = await stream.prepare(index, converted);
          const gathered = await gatherRefitSums(
            stream,
            { layer: prepared, rows: before },
            { layer: other, rows: after },
            signal,
          );
          other.destroy();
          return gathered;
        });
        await stream.advance(prepared, before, signal);
        prepared.destroy();
        return found;
      });
      const started = performance.now();
      const { num_attention_heads, head_dim, hidden_size } = config;
      const { weight, bias } = refitOutput(
        {
          inputs: num_attention_heads * head_dim,
          hidden_size,
          inputMoments: sums.outputs,
          crossMoments: sums.targets,
        },
        weightOf(original.self_attn.o_proj),
      );
      const layer = { ...made.layer, self_attn: { ...made.layer.self_attn, o_proj: linearOf(weight, bias) } };
      const algebraMs = made.algebraMs + performance.now() - started;
      await withLayer(stream, index, layer, async (weights) => {
        const prepared = await stream.prepare(index, weights);
        await stream.advance(prepared, after, signal);
        prepared.destroy();
      });
      yield { ...made, layer, algebraMs };
    }
  } catch (error) {
    throw gpu.failure() ?? error;
  } finally {
    stream.destroy();
  }
}

/**
 * Original and converted layers in order, made as far ahead as there are threads: maps depend on statistics and weights only,
 * so the GPU may refit one layer while the next ones are made.
 */
async function* layersAhead(
  config: ModelConfig,
  source: LayerSource,
  statistics: readonly LayerStatistics[],
  choice: MethodChoice,
  { threads, layers, signal }: ThreadOptions,
): AsyncGenerator<{ original: DecoderLayer<GqaAttention>; converted: ConvertedLayer }, void> {
  const indices = layers ?? Array.from({ length: config.num_hidden_layers }, (_, i) => i);
  const ahead = indices.values();
  const pool = new LayerPool(threads ?? null, indices.length);
  const stop = (): void => pool.end();
  signal?.addEventListener('abort', stop);
  const make = async (index: number): ReturnType<typeof convertOne> =>
    convertOne(pool, config, index, await source.layer(index), statistics, choice);
  const waiting: ReturnType<typeof convertOne>[] = [];
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
): Promise<{ original: DecoderLayer<GqaAttention>; converted: ConvertedLayer }> {
  const known = statistics[index];
  if (!known) throw new RangeError(`layer ${index}: expected statistics`);
  const { num_attention_heads, num_key_value_heads, head_dim, rope_scaling } = config;
  const { attention, report, algebraMs } = await pool.make({
    config: { num_attention_heads, num_key_value_heads, head_dim, rope_scaling },
    layer: index,
    attention: original.self_attn,
    statistics: known,
    method: methodOptions(attentionShape(config), choice),
    options: { quantisedCache: isQuantised(choice.cacheDtype) },
  });
  return { original, converted: { index, layer: { ...original, self_attn: attention }, report, algebraMs } };
}

import { attentionShape } from '../convert/attention_shape.ts';
import { isQuantised, methodOptions } from '../convert/budget.ts';
import type { MethodChoice } from '../convert/budget.ts';
import { convertLayer } from '../convert/convert_layer.ts';
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
import { gatherRefitSums } from './refit_sums.ts';

export interface ConvertedLayer {
  readonly index: number;
  readonly layer: DecoderLayer<MlaAttention>;
  readonly report: LayerReport;
  /** Host time of the algebra. */
  readonly algebraMs: number;
}

/** Layers without refit: needs no GPU. */
export async function* convertLayers(
  config: ModelConfig,
  source: LayerSource,
  statistics: readonly LayerStatistics[],
  choice: MethodChoice,
  signal?: AbortSignal,
): AsyncGenerator<ConvertedLayer, void> {
  for (let index = 0; index < config.num_hidden_layers; index++) {
    throwIfAborted(signal);
    yield convertOne(config, index, await source.layer(index), statistics, choice);
  }
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
  signal?: AbortSignal,
): AsyncGenerator<ConvertedLayer, void> {
  const longest = rows.reduce((most, { length }) => Math.max(most, length), 0);
  const stream = new LayerStream(gpu, config, longest, pipelines);
  try {
    const before = await embedRows(stream, source, rows);
    const after = await embedRows(stream, source, rows);
    for (let index = 0; index < config.num_hidden_layers; index++) {
      throwIfAborted(signal);
      const original = await source.layer(index);
      const made = convertOne(config, index, original, statistics, choice);
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

function convertOne(
  config: ModelConfig,
  index: number,
  original: DecoderLayer<GqaAttention>,
  statistics: readonly LayerStatistics[],
  choice: MethodChoice,
): ConvertedLayer {
  const known = statistics[index];
  if (!known) throw new RangeError(`layer ${index}: expected statistics`);
  const started = performance.now();
  const { attention, report } = convertLayer(
    config,
    index,
    original.self_attn,
    known,
    methodOptions(attentionShape(config), choice),
    { quantisedCache: isQuantised(choice.cacheDtype) },
  );
  return {
    index,
    layer: { ...original, self_attn: attention },
    report,
    algebraMs: performance.now() - started,
  };
}

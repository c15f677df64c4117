import { attentionShape } from '../convert/attention_shape.ts';
import { methodOptions } from '../convert/budget.ts';
import type { MethodChoice } from '../convert/budget.ts';
import type { LayerStatistics } from '../convert/statistics.ts';
import { throwIfAborted } from '../core/errors.ts';
import type { ModelConfig } from '../core/config.ts';
import type { DecoderLayer, GqaAttention } from '../core/layers.ts';
import { Buffers } from '../gpu/buffers.ts';
import type { Gpu } from '../gpu/device.ts';
import type { Pipelines } from '../gpu/pipelines.ts';
import type { DeviceLayer } from '../model/weights.ts';
import { batchesOf, embedRows, FLUSH_TOKENS, STREAM_BYTES, withLayer } from './calibrate.ts';
import type { LayerSource } from './calibrate.ts';
import { layersAhead } from './converted_layers.ts';
import type { LayerAhead, ThreadOptions } from './converted_layers.ts';
import { momentsOf } from './layer_sums.ts';
import { LayerStream } from './layer_stream.ts';
import type { StreamRow } from './layer_stream.ts';
import { addTo, MomentSums } from './moment_sums.ts';
import { takeSums } from './take_sums.ts';

/**
 * TransMLA's second calibration, as its own code does it (MuLabPKU/TransMLA: `partial_rope` on all layers, then `low_rank_qkv` on
 * inputs gathered anew): moments of every layer's keys and values on the stream of the model whose layers have lost their rope
 * but for the pairs that are kept, and nothing else. That model is the same conversion with a latent of full rank.
 * @returns the statistics with `ropeRemoved`, of a choice of method transmla
 */
export async function withRopeRemoved(
  gpu: Gpu,
  config: ModelConfig,
  source: LayerSource,
  statistics: readonly LayerStatistics[],
  choice: MethodChoice,
  rows: readonly Uint32Array<ArrayBuffer>[],
  pipelines: Pipelines,
  options: ThreadOptions = {},
): Promise<LayerStatistics[]> {
  const longest = rows.reduce((most, { length }) => Math.max(most, length), 0);
  const stream = new LayerStream(gpu, config, longest, pipelines);
  const sums: Float64Array[] = [];
  try {
    const removed = await ropeRemovedLayers(config, source, statistics, choice, options);
    const most = Math.floor(STREAM_BYTES / LayerStream.rowBytes(config, longest));
    for (const batch of batchesOf(rows, most)) {
      const residuals = await embedRows(stream, source, batch);
      for (const { original, converted } of removed) {
        const found = await keyValueSums(stream, converted.index, original, residuals, options.signal);
        sums[converted.index] = added(sums[converted.index], found);
        await withLayer(stream, converted.index, converted.layer, async (weights) => {
          const prepared = await stream.prepare(converted.index, weights);
          await stream.advance(prepared, residuals, options.signal);
          prepared.destroy();
        });
      }
      stream.release(residuals);
    }
    return statistics.map((one, i) => {
      const found = sums[i];
      return found ? { ...one, ropeRemoved: momentsOf(found) } : one;
    });
  } catch (error) {
    throw gpu.failure() ?? error;
  } finally {
    stream.destroy();
  }
}

function added(before: Float64Array | undefined, more: Float64Array): Float64Array {
  return before ? before.map((x, i) => x + (more[i] ?? 0)) : more;
}

/** Every layer with the choice's rope pairs and nothing lost besides. */
async function ropeRemovedLayers(
  config: ModelConfig,
  source: LayerSource,
  statistics: readonly LayerStatistics[],
  choice: MethodChoice,
  options: ThreadOptions,
): Promise<LayerAhead[]> {
  const shape = attentionShape(config);
  const wanted = methodOptions(shape, choice);
  const qk_rope_head_dim = 'qk_rope_head_dim' in wanted ? wanted.qk_rope_head_dim : undefined;
  const { method, form, exportable, options: rest } = choice;
  const full: MethodChoice = {
    method,
    form,
    exportable,
    cacheDtype: 'f32',
    options: rest,
    row_dim: 2 * shape.width,
    qk_rope_head_dim,
  };
  const layers: LayerAhead[] = [];
  for await (const layer of layersAhead(config, source, statistics, full, options)) layers.push(layer);
  return layers;
}

/** Σ ỹ ỹᵀ with ỹ = [k ; v ; 1] of a layer on rows that stay as they are, upper triangle. */
async function keyValueSums(
  stream: LayerStream,
  index: number,
  layer: DecoderLayer<GqaAttention>,
  rows: readonly StreamRow[],
  signal: AbortSignal | undefined,
): Promise<Float64Array> {
  const sum = async (weights: DeviceLayer): Promise<Float64Array> => {
    const prepared = await stream.prepare(index, weights);
    const buffers = new Buffers(stream.gpu.device);
    try {
      const { num_attention_heads: heads, num_key_value_heads: groups, head_dim } = stream.config;
      const y = {
        dim: 2 * groups * head_dim,
        stride: prepared.layout.attend.q_stride,
        offset: heads * head_dim,
        batch: 0,
        ones: true,
      };
      const dims = { x: y, y, batches: 1, symmetric: true, weights: null };
      const moments = new MomentSums(stream, buffers, 'plain', dims, { x: prepared.qkv, y: prepared.qkv });
      await stream.pipelines.compileAll();
      const totals = moments.zeros();
      let waiting = 0;
      for (const row of rows) {
        throwIfAborted(signal);
        stream.run([{ layer: prepared, row }], [...prepared.projectQkv, moments.dispatch]);
        await stream.pace();
        waiting += row.tokens;
        if (waiting < FLUSH_TOKENS && row !== rows.at(-1)) continue;
        waiting = 0;
        const [values] = await takeSums(stream.gpu, `keys and values of layer ${index}`, [moments.source]);
        if (values) addTo(totals, values);
      }
      return totals;
    } finally {
      buffers.destroy();
      prepared.destroy();
    }
  };
  return withLayer(stream, index, layer, sum);
}

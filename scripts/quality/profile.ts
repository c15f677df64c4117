import type { ModelConfig } from '../../src/core/config.ts';
import type { Gpu } from '../../src/gpu/device.ts';
import type { Dispatch, Pipelines } from '../../src/gpu/pipelines.ts';
import { Stopwatch } from '../../src/gpu/profile.ts';
import { embedRows, withLayer } from '../../src/runtime/calibrate.ts';
import type { LayerSource } from '../../src/runtime/calibrate.ts';
import type { LayerAhead } from '../../src/runtime/converted_layers.ts';
import { LayerStream } from '../../src/runtime/layer_stream.ts';
import { LayerSums } from '../../src/runtime/layer_sums.ts';

/** GPU time of every dispatch that a layer of a row takes in calibration and refit, by part: [part, label, µs]. */
export async function profileLayer(
  gpu: Gpu,
  config: ModelConfig,
  source: LayerSource,
  ids: Uint32Array<ArrayBuffer>,
  { original, converted }: LayerAhead,
  pipelines: Pipelines,
): Promise<[part: string, label: string, us: number][]> {
  const stream = new LayerStream(gpu, config, ids.length, pipelines);
  const stopwatch = new Stopwatch(gpu);
  const found: [string, string, number][] = [];
  const step = { position: 0, num_tokens: ids.length, num_splits: 1, split_len: ids.length };
  const time = async (part: string, dispatches: readonly Dispatch[]): Promise<void> => {
    for (const one of dispatches) {
      // oxlint-disable-next-line no-await-in-loop -- one after another is the point
      found.push([part, one.label, 1000 * (await stopwatch.measure([one], step))]);
    }
  };
  try {
    const [row] = await embedRows(stream, source, [ids]);
    if (!row) throw new RangeError('expected a row');
    await withLayer(stream, converted.index, original, async (weights) => {
      const layer = await stream.prepare(converted.index, weights);
      const sums = new LayerSums(stream, layer, original.self_attn.o_proj);
      await pipelines.compileAll();
      stream.run([{ layer, row }], layer.attend);
      await time('original', layer.attend);
      await time('statistics', sums.dispatches);
      await time('refit', layer.project);
      await time('original', layer.mix);
      sums.destroy();
      layer.destroy();
    });
    await withLayer(stream, converted.index, converted.layer, async (weights) => {
      const layer = await stream.prepare(converted.index, weights);
      stream.run([{ layer, row }], layer.attend);
      await time('converted', [...layer.attend, ...layer.mix]);
      layer.destroy();
    });
    return found;
  } finally {
    stopwatch.destroy();
    stream.destroy();
  }
}

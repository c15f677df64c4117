import type { LayerStatistics } from '../convert/statistics.ts';
import type { ModelConfig } from '../core/config.ts';
import { throwIfAborted } from '../core/errors.ts';
import type { DecoderEnds, DecoderLayer, GqaAttention } from '../core/layers.ts';
import { Buffers, watchMemory } from '../gpu/buffers.ts';
import type { Gpu } from '../gpu/device.ts';
import type { Pipelines } from '../gpu/pipelines.ts';
import { WeightUploader } from '../model/weights.ts';
import type { DeviceLayer } from '../model/weights.ts';
import { LayerStream } from './layer_stream.ts';
import type { StreamRow } from './layer_stream.ts';
import { LayerSums, statisticsOf } from './layer_sums.ts';
import type { LayerTotals } from './layer_sums.ts';
import { checkSequences } from './token_rows.ts';

/** Where layers come from, one at a time: a WeightReader, or whoever keeps them. */
export interface LayerSource {
  layer(index: number): Promise<DecoderLayer<GqaAttention>>;
  ends(): Promise<DecoderEnds>;
}

export interface CalibrationProgress {
  /** Rows of tokens times layers, done and in all. */
  readonly loaded: number;
  readonly total: number;
}

export interface CalibrateOptions {
  readonly onProgress?: (progress: CalibrationProgress) => void;
  readonly signal?: AbortSignal | undefined;
  /** GPU memory that residual streams may take; more rows go through the model in several batches. Default 256 MB. */
  readonly streamBytes?: number;
  /** Of the same device: what an earlier run compiled is not compiled again. */
  readonly pipelines?: Pipelines;
}

const STREAM_BYTES = 256e6;
/** Tokens between two readings of a layer's sums: slices of f32 sums are some thousand tokens long at most. */
const FLUSH_TOKENS = 16_384;

/**
 * Statistics of every layer of a GQA model over rows of tokens, each a sequence of its own. One layer's weights are on the
 * GPU at a time, beside the residual streams of a batch of rows; a second batch reads the layers again.
 * @throws WebMlaError `bad_request`, `aborted`, `device_lost`, `out_of_memory`, `internal` (a sum is not a number)
 */
export async function calibrate(
  gpu: Gpu,
  config: ModelConfig,
  source: LayerSource,
  rows: readonly Uint32Array<ArrayBuffer>[],
  options: CalibrateOptions = {},
): Promise<LayerStatistics[]> {
  checkSequences(config, rows);
  const { onProgress, signal, streamBytes = STREAM_BYTES } = options;
  const longest = rows.reduce((most, { length }) => Math.max(most, length), 0);
  const stream = new LayerStream(gpu, config, longest, options.pipelines);
  const totals: LayerTotals[] = [];
  const total = rows.length * config.num_hidden_layers;
  let loaded = 0;
  onProgress?.({ loaded, total });
  try {
    for (const batch of batchesOf(rows, Math.floor(streamBytes / LayerStream.rowBytes(config, longest)))) {
      const residuals = await embedRows(stream, source, batch);
      for (let i = 0; i < config.num_hidden_layers; i++) {
        throwIfAborted(signal);
        totals[i] = await sumLayer(stream, i, await source.layer(i), residuals, totals[i], signal, () =>
          onProgress?.({ loaded: ++loaded, total }),
        );
      }
      stream.release(residuals);
    }
    return totals.map((one) => statisticsOf(config, one));
  } catch (error) {
    throw gpu.failure() ?? error;
  } finally {
    stream.destroy();
  }
}

/** Batches of like size, none with more than `most` rows (but at least one). */
function batchesOf<T>(rows: readonly T[], most: number): T[][] {
  const count = Math.ceil(rows.length / Math.max(1, most));
  const size = Math.ceil(rows.length / count);
  return Array.from({ length: count }, (_, i) => rows.slice(i * size, (i + 1) * size)).filter(
    ({ length }) => length > 0,
  );
}

/** The streams of rows before the first layer; the table is on the GPU only meanwhile. */
export async function embedRows(
  stream: LayerStream,
  source: Pick<LayerSource, 'ends'>,
  rows: readonly Uint32Array<ArrayBuffer>[],
): Promise<StreamRow[]> {
  const ends = await source.ends();
  const { device } = stream.gpu;
  const weights = new Buffers(device);
  try {
    // The head is not needed: the table alone goes up.
    const uploader = new WeightUploader(weights, device.limits.maxStorageBufferBindingSize);
    const onGpu = await watchMemory(device, 'embeddings', () => uploader.ends({ ...ends, lm_head: null }));
    return await stream.embed(onGpu, rows);
  } finally {
    weights.destroy();
  }
}

/** Runs `work` with a layer's weights on the GPU, and frees them. */
export async function withLayer<T>(
  stream: LayerStream,
  index: number,
  layer: DecoderLayer,
  work: (layer: DeviceLayer) => Promise<T>,
): Promise<T> {
  const { device } = stream.gpu;
  const weights = new Buffers(device);
  try {
    const uploader = new WeightUploader(weights, device.limits.maxStorageBufferBindingSize);
    return await work(
      await watchMemory(device, `layer ${index}`, () => uploader.layer(`layers.${index}`, layer)),
    );
  } finally {
    weights.destroy();
  }
}

/** Takes rows through a layer and adds what it shows to `before`. */
async function sumLayer(
  stream: LayerStream,
  index: number,
  layer: DecoderLayer<GqaAttention>,
  rows: readonly StreamRow[],
  before: LayerTotals | undefined,
  signal: AbortSignal | undefined,
  onRow: () => void,
): Promise<LayerTotals> {
  return withLayer(stream, index, layer, async (weights) => {
    const prepared = await stream.prepare(index, weights);
    let sums: LayerSums | undefined;
    try {
      const summing = (sums = await watchMemory(
        stream.gpu.device,
        `sums of layer ${index}`,
        () => new LayerSums(stream, prepared, layer.self_attn.o_proj),
      ));
      await stream.pipelines.compileAll();
      const totals = before ?? summing.zeros();
      const dispatches = [...prepared.attend, ...summing.dispatches, ...prepared.mix];
      let waiting = 0;
      for (const row of rows) {
        throwIfAborted(signal);
        const passage = [{ layer: prepared, row }];
        stream.run(passage, dispatches, passage);
        waiting += row.tokens;
        await stream.pace();
        onRow();
        if (waiting >= FLUSH_TOKENS || row === rows.at(-1)) {
          await summing.flush(`statistics of layer ${index}`, totals, waiting);
          waiting = 0;
        }
      }
      return totals;
    } finally {
      sums?.destroy();
      prepared.destroy();
    }
  });
}

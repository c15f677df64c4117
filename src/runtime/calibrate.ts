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
  /** GPU memory that residual streams may take; more rows go through the model in several batches. Default 320 MB. */
  readonly streamBytes?: number;
  /** Of the same device: what an earlier run compiled is not compiled again. */
  readonly pipelines?: Pipelines;
}

/** 128 rows of 1,024 tokens of a hidden size of 576: with what else there is, less than 500 MB. */
export const STREAM_BYTES = 320e6;
/** Tokens between two readings of a layer's sums: slices of f32 sums are some thousand tokens long at most. */
export const FLUSH_TOKENS = 16_384;

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
  let last: Promise<void> = Promise.resolve();
  onProgress?.({ loaded, total });
  try {
    for (const batch of batchesOf(rows, Math.floor(streamBytes / LayerStream.rowBytes(config, longest)))) {
      const residuals = await embedRows(stream, source, batch);
      for await (const [i, layer] of layersOf(source, config.num_hidden_layers)) {
        throwIfAborted(signal);
        const reading = await sumLayer(stream, i, layer, residuals, totals[i], signal, () =>
          onProgress?.({ loaded: ++loaded, total }),
        );
        totals[i] = reading.totals;
        // The GPU goes on with the next layer meanwhile, but no further.
        await last;
        last = reading.done;
      }
      await last;
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
export function batchesOf<T>(rows: readonly T[], most: number): T[][] {
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

/** Layers in order, each being read while the one before is worked on. */
async function* layersOf(
  source: LayerSource,
  count: number,
): AsyncGenerator<[index: number, layer: DecoderLayer<GqaAttention>], void> {
  const read = async (index: number): Promise<DecoderLayer<GqaAttention>> => source.layer(index);
  let next = read(0);
  for (let i = 0; i < count; i++) {
    const layer = await next;
    if (i + 1 < count) {
      next = read(i + 1);
      // It may fail before its turn comes, when it is reported.
      next.catch(() => undefined);
    }
    yield [i, layer];
  }
}

interface LayerReading {
  readonly totals: LayerTotals;
  /** When the last sums have been read and added. */
  readonly done: Promise<void>;
}

/** Takes rows through a layer and adds what it shows to `before`. Sums are read while the GPU goes on. */
async function sumLayer(
  stream: LayerStream,
  index: number,
  layer: DecoderLayer<GqaAttention>,
  rows: readonly StreamRow[],
  before: LayerTotals | undefined,
  signal: AbortSignal | undefined,
  onRow: () => void,
): Promise<LayerReading> {
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
      let done: Promise<void> = Promise.resolve();
      for (const row of rows) {
        throwIfAborted(signal);
        const passage = [{ layer: prepared, row }];
        stream.run(passage, dispatches, passage);
        waiting += row.tokens;
        await stream.pace();
        onRow();
        if (waiting >= FLUSH_TOKENS || row === rows.at(-1)) {
          await done;
          done = summing.flush(`statistics of layer ${index}`, totals, waiting);
          // Waited for later: until then nobody hears of it.
          done.catch(() => undefined);
          waiting = 0;
        }
      }
      return { totals, done };
    } finally {
      sums?.destroy();
      prepared.destroy();
    }
  });
}

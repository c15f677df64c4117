import type { LatentMaps } from '../../convert/latent_maps.ts';
import { TRAINED, trainedValues, withTrainedValues } from '../../convert/refined_maps.ts';
import type { TrainedName, TrainedValues } from '../../convert/refined_maps.ts';
import type { Refinement } from '../../convert/report.ts';
import type { Moments } from '../../convert/statistics.ts';
import { throwIfAborted, WebMlaError } from '../../core/errors.ts';
import type { Linear } from '../../core/layers.ts';
import { uniform } from '../../core/rng.ts';
import { Buffers, watchMemory } from '../../gpu/buffers.ts';
import type { Dispatch } from '../../gpu/pipelines.ts';
import type { LayerStream, StreamLayer, StreamRow } from '../layer_stream.ts';
import { backwardPass } from './backward_pass.ts';
import { forwardPass } from './forward_pass.ts';
import { passLayout } from './pass_layout.ts';
import type { PassLayout } from './pass_layout.ts';
import { Products } from './products.ts';

export interface RefineOptions {
  readonly steps: number;
  /** Of each tensor's root mean square. Default 1e-2, the laboratory's. */
  readonly rate?: number;
  /** Called after every step. */
  readonly onStep?: (() => void) | undefined;
  readonly signal?: AbortSignal | undefined;
}

/** A converted layer as the refinement takes it: maps before they are folded for a quantised cache. */
export interface RefinedLayer {
  readonly maps: LatentMaps;
  readonly o_proj: Linear;
}

/** Rows of a step. */
const BATCH = 4;
const MOST_TOKENS = 1024;
/** Of the two score matrices each: longer rows are cut. */
const SCORE_BYTES = 64 * 2 ** 20;
const SEED = 0;
const WARM_UP = 10;

/**
 * Trains all maps of a converted layer together with Adam, so that its attention output on the stream of the converted layers
 * comes near to the original layer's on the original stream (research/lab, `adam_layer`): loss |out - wanted|² / |wanted|², 4 rows a
 * step drawn with a fixed seed, rate 1e-2 of each tensor's root mean square, 10 steps of warm-up within a cosine.
 *
 * A quarter of the rows, from 1 to 4 of them, is never trained on; if their loss has not fallen, the layer stays as it was.
 *
 * A step is about 4 (6 T n + T² heads (5 head_dim + 6 pairs)) operations, T tokens a row and n trained elements: 30 GFLOP and some
 * 3 GB moved for SmolLM2-135M at half the cache and T = 1,024, besides the original layer's own pass over the rows. Memory: two score
 * matrices of at most 64 MiB each (rows are cut to so many tokens, and to 1,024), some dozen activations of T rows, 16 bytes a
 * trained element: about 110 MB there.
 *
 * @param original prepared; its activations are overwritten
 * @param before, after the same rows of the original and the converted stream; they stay as they are
 * @param plain moments of the layer's keys and values with every token counting the same
 * @throws WebMlaError `bad_request` (fewer than 2 rows), `aborted`, `device_lost`, `out_of_memory`, `internal` (no numbers)
 */
export async function refineLayer(
  stream: LayerStream,
  original: StreamLayer,
  before: readonly StreamRow[],
  after: readonly StreamRow[],
  start: RefinedLayer,
  plain: Moments,
  options: RefineOptions,
): Promise<RefinedLayer & { refinement: Refinement }> {
  const { steps, rate = 1e-2, onStep, signal } = options;
  const { training, heldOut } = splitRows(before.length);
  const values = trainedValues(start.maps, start.o_proj);
  const tokens = rowTokens(stream);
  const buffers = new Buffers(stream.gpu.device);
  try {
    const layout = await watchMemory(stream.gpu.device, 'refinement', () =>
      passLayout(stream, buffers, original, start.maps, values, tokens),
    );
    const products = new Products(stream, buffers);
    const forward = forwardPass(stream, layout, products);
    const backward = backwardPass(stream, layout, products);
    const tensors = TRAINED.map((name) => layout.tensors[name]);
    const adam = tensors.map(({ step }) => step);
    await stream.pipelines.compileAll();

    /** One row: the original's output, then the converted attention on what the original makes of the other stream. */
    const run = async (index: number, dispatches: readonly Dispatch[]): Promise<void> => {
      const [row, other] = [before[index], after[index]];
      if (!row || !other) throw new RangeError(`row ${index}: expected one of both streams`);
      stream.run([{ layer: original, row }], [...original.attend, ...original.project]);
      stream.run([{ layer: original, row: other }], [...original.projectQkv, ...dispatches]);
      await stream.pace();
    };
    const measure = async (): Promise<Loss> => {
      await take(stream, buffers, layout.sums);
      let seen = 0;
      for (const index of heldOut) {
        await run(index, forward);
        seen += Math.min(before[index]?.tokens ?? 0, tokens);
      }
      return lossOf(await take(stream, buffers, layout.sums), seen * stream.config.hidden_size);
    };

    const first = await measure();
    if (!Number.isFinite(first.loss)) {
      throw new WebMlaError(
        'internal',
        `refinement: expected numbers before the first step, got a loss of ${first.loss}`,
        'The weights may be damaged.',
      );
    }
    for (let t = 0; t < steps; t++) {
      throwIfAborted(signal);
      const batch = Array.from({ length: BATCH }, (_, i) => drawn(training, t, i));
      const seen = batch.reduce((sum, index) => sum + Math.min(before[index]?.tokens ?? 0, tokens), 0);
      const scale = 2 / (seen * stream.config.hidden_size * first.power);
      for (const tensor of tensors) tensor.schedule(rate * warmedCosine(t, steps), t + 1, scale);
      for (const [i, index] of batch.entries()) {
        await run(index, i < BATCH - 1 ? [...forward, ...backward] : [...forward, ...backward, ...adam]);
      }
      onStep?.();
    }
    const last = await measure();
    const trained = await trainedNow(stream, buffers, layout, values);
    const better = last.loss < first.loss && trained !== null;
    const refinement = {
      steps,
      heldOutRows: heldOut.length,
      lossBefore: first.loss,
      lossAfter: last.loss,
      undone: !better,
    };
    return { ...(better ? withTrainedValues(start.maps, start.o_proj, trained, plain) : start), refinement };
  } catch (error) {
    throw stream.gpu.failure() ?? error;
  } finally {
    buffers.destroy();
  }
}

interface Loss {
  /** Σ |out - wanted|² / Σ |wanted|² */
  readonly loss: number;
  /** Mean of wanted². */
  readonly power: number;
}

function lossOf(sums: Float32Array, elements: number): Loss {
  let [error, wanted] = [0, 0];
  for (let i = 0; i < sums.length; i += 2) {
    error += sums[i] ?? 0;
    wanted += sums[i + 1] ?? 0;
  }
  return { loss: error / wanted, power: wanted / elements };
}

/** Tokens of a row that are used. */
function rowTokens({ config, maxTokens }: LayerStream): number {
  const square = Math.floor(Math.sqrt(SCORE_BYTES / 4 / config.num_attention_heads));
  return Math.min(maxTokens, MOST_TOKENS, square);
}

/** Rows to train on, and rows that are held back: a quarter, at most 4, spread over all. */
function splitRows(count: number): { training: number[]; heldOut: number[] } {
  if (count < 2) {
    throw new WebMlaError(
      'bad_request',
      `refinement: expected at least 2 rows of tokens, one of them to be held back, got ${count}`,
      'Give more text, or refine by 0 steps.',
    );
  }
  const held = Math.max(1, Math.min(4, Math.floor(count / 4)));
  const heldOut = Array.from({ length: held }, (_, i) => Math.floor(((i + 0.5) * count) / held));
  const training = Array.from({ length: count }, (_, i) => i).filter((i) => !heldOut.includes(i));
  return { training, heldOut };
}

function drawn(rows: readonly number[], step: number, i: number): number {
  return rows[Math.floor(uniform(SEED, step, i) * rows.length)] ?? 0;
}

/** Factor of the rate at step t, counting from 0. */
function warmedCosine(t: number, steps: number): number {
  return Math.min(1, (t + 1) / WARM_UP) * (0.5 + 0.5 * Math.cos((Math.PI * t) / steps));
}

/** The tensors as they are now; null when a value is not finite. */
async function trainedNow(
  stream: LayerStream,
  buffers: Buffers,
  { tensors }: PassLayout,
  start: TrainedValues,
): Promise<TrainedValues | null> {
  const now: Record<TrainedName, Float64Array<ArrayBuffer>> = { ...start };
  for (const name of TRAINED) {
    const read = await take(stream, buffers, tensors[name].value);
    now[name] = Float64Array.from(read.subarray(0, start[name].length));
    if (!now[name].every((value) => Number.isFinite(value))) return null;
  }
  return now;
}

/** Reads a buffer of f32 and sets it to zero. Numbers may be none: a step may have been too long. */
async function take({ gpu }: LayerStream, buffers: Buffers, source: GPUBuffer): Promise<Float32Array> {
  const copy = buffers.readback(source.label, source.size);
  const encoder = gpu.device.createCommandEncoder();
  encoder.copyBufferToBuffer(source, 0, copy, 0, source.size);
  encoder.clearBuffer(source);
  gpu.device.queue.submit([encoder.finish()]);
  await copy.mapAsync(GPUMapMode.READ);
  const values = new Float32Array(copy.getMappedRange().slice(0));
  buffers.release(copy);
  return values;
}

import { readFileSync } from 'node:fs';
import { convertLayer } from '../../src/convert/convert_layer.ts';
import type { LatentForm } from '../../src/core/layers.ts';
import { memorySource } from '../../src/formats/byte_source.ts';
import { readSafetensors } from '../../src/formats/safetensors.ts';
import { readBytes } from '../../src/formats/tensor_data.ts';
import type { Gpu } from '../../src/gpu/device.ts';
import { Pipelines } from '../../src/gpu/pipelines.ts';
import { embedRows, withLayer } from '../../src/runtime/calibrate.ts';
import { LayerStream } from '../../src/runtime/layer_stream.ts';
import type { StreamLayer, StreamRow } from '../../src/runtime/layer_stream.ts';
import type { RefinedLayer } from '../../src/runtime/refine/refine_layer.ts';
import { calibrated } from '../cpu/convert/calibrated.ts';
import type { Calibrated } from '../cpu/convert/calibrated.ts';
import { testGpu } from './dawn.ts';

/** Layer 0 of a tiny checkpoint and two streams that come to it, those of the laboratory's goldens. */

const TOKENS = 40;

export type Rows = readonly Uint32Array<ArrayBuffer>[];

export interface Bench {
  readonly gpu: Gpu;
  readonly tiny: Calibrated;
  /** What the laboratory's Adam made of the layer (scripts/make_refinement_goldens.py), by name. */
  readonly golden: ReadonlyMap<string, readonly number[]>;
  readonly before: Rows;
  readonly after: Rows;
  /** Compiled once for all tests. */
  readonly pipelines: Pipelines;
}

export interface PreparedBench {
  readonly stream: LayerStream;
  /** The original layer. */
  readonly layer: StreamLayer;
  readonly before: readonly StreamRow[];
  readonly after: readonly StreamRow[];
}

export async function openBench(): Promise<Bench> {
  const bytes = readFileSync(new URL('goldens/refinement.safetensors', import.meta.url));
  const file = await readSafetensors(memorySource(bytes, 'goldens'));
  const golden = new Map<string, readonly number[]>();
  for (const entry of file.tensors) {
    const { buffer } = (await readBytes(entry)).bytes;
    golden.set(entry.name, [...(entry.dtype === 'I32' ? new Int32Array(buffer) : new Float32Array(buffer))]);
  }
  const rowsOf = (name: string): Rows => {
    const ids = golden.get(name)!;
    return Array.from({ length: ids.length / TOKENS }, (_, i) =>
      Uint32Array.from(ids.slice(i * TOKENS, (i + 1) * TOKENS)),
    );
  };
  const before = rowsOf('before');
  const tiny = await calibrated(
    'llama_bias',
    before.slice(0, 4).map((row) => [...row]),
  );
  const gpu = await testGpu();
  return { gpu, tiny, golden, before, after: rowsOf('after'), pipelines: new Pipelines(gpu.device) };
}

/** The layer converted to 12 of 32 values a token. */
export function converted({ tiny: { config, layers, statistics } }: Bench, form: LatentForm): RefinedLayer {
  const attention = layers[0]!.self_attn;
  const method = { method: 'webmla', form, row_dim: 12, pairs: 4 } as const;
  return { maps: convertLayer(config, 0, attention, statistics[0]!, method).maps, o_proj: attention.o_proj };
}

/** Runs `work` with the original layer prepared and both streams on the GPU. */
export async function prepared<T>(
  { gpu, tiny: { config, ends, layers }, pipelines, ...rows }: Bench,
  work: (bench: PreparedBench) => Promise<T>,
): Promise<T> {
  const longest = Math.max(...rows.before.map(({ length }) => length));
  const stream = new LayerStream(gpu, config, longest, pipelines);
  const source = { ends: async () => ends };
  try {
    const before = await embedRows(stream, source, rows.before);
    const after = await embedRows(stream, source, rows.after);
    return await withLayer(stream, 0, layers[0]!, async (weights) => {
      const layer = await stream.prepare(0, weights);
      const result = await work({ stream, layer, before, after });
      layer.destroy();
      return result;
    });
  } finally {
    stream.destroy();
  }
}

export async function read({ device }: Gpu, source: GPUBuffer): Promise<Float32Array> {
  const copy = device.createBuffer({
    size: source.size,
    usage: GPUBufferUsage.MAP_READ | GPUBufferUsage.COPY_DST,
  });
  const encoder = device.createCommandEncoder();
  encoder.copyBufferToBuffer(source, 0, copy, 0, source.size);
  device.queue.submit([encoder.finish()]);
  await copy.mapAsync(GPUMapMode.READ);
  const values = new Float32Array(copy.getMappedRange().slice(0));
  copy.destroy();
  return values;
}

import { WebMlaError } from '../core/errors.ts';
import type { ByteSource } from '../formats/byte_source.ts';
import { isJsonObject } from '../formats/json_source.ts';
import { readSafetensors } from '../formats/safetensors.ts';
import { writeSafetensors } from '../formats/safetensors_writer.ts';
import type { TensorToWrite } from '../formats/safetensors_writer.ts';
import { readBytes } from '../formats/tensor_data.ts';
import type { TensorEntry } from '../formats/tensor_entry.ts';
import { checkFinite } from './linalg/matrix.ts';
import type { LayerStatistics, Moments } from './statistics.ts';

/**
 * Statistics of a model as safetensors, so that another budget or method needs no second calibration. Layer i has
 *   layers.i.counts            F64 [3]: tokens, weight of plain, weight of attended
 *   layers.i.plain.mean, layers.i.plain.second, layers.i.attended.*, layers.i.queries, layers.i.spreadQueries,
 *   layers.i.spread, layers.i.rotation                                                   F32 or F64
 * Symmetric matrices are their lower triangles, row after row. `__metadata__["webmla.statistics"]` is JSON of StatisticsInfo.
 */
export interface StatisticsInfo {
  /** What the caller knows the model by, a hash of its files: to be compared before use. */
  readonly model: string;
  readonly num_attention_heads: number;
  readonly num_key_value_heads: number;
  readonly head_dim: number;
}

export interface StatisticsFile {
  readonly info: StatisticsInfo;
  readonly layers: readonly LayerStatistics[];
}

const KEY = 'webmla.statistics';
/** Of the file and of what its numbers mean: statistics of another version are gathered again. */
export const STATISTICS_VERSION = 1;
/** No model comes near; a file that claims more is damaged. */
const MOST = 4096;

/** The file as parts for `new Blob(parts)`. @param dtype F32 halves the size; conversions differ by f32 rounding */
export function writeStatistics(
  { info, layers }: StatisticsFile,
  dtype: 'F32' | 'F64' = 'F32',
): Uint8Array<ArrayBuffer>[] {
  const tensors = layers.flatMap((layer, i): TensorToWrite[] => {
    const floats = (name: string, shape: number[], values: Float64Array): TensorToWrite => ({
      name: `layers.${i}.${name}`,
      dtype,
      shape,
      data: bytesOf(dtype === 'F32' ? Float32Array.from(values) : values),
    });
    const triangles = (name: string, values: Float64Array, size: number): TensorToWrite => {
      const packed = packTriangles(values, size);
      return floats(name, [packed.length], packed);
    };
    const moments = (name: string, { mean, second }: Moments): TensorToWrite[] => [
      floats(`${name}.mean`, [mean.length], mean),
      triangles(`${name}.second`, second, mean.length),
    ];
    const counts = Float64Array.of(layer.tokens, layer.plain.weight, layer.attended.weight);
    return [
      { name: `layers.${i}.counts`, dtype: 'F64', shape: [3], data: bytesOf(counts) },
      ...moments('plain', layer.plain),
      ...moments('attended', layer.attended),
      triangles('queries', layer.queries, info.head_dim),
      triangles('spreadQueries', layer.spreadQueries, info.head_dim),
      floats('spread', [layer.spread.length], layer.spread),
      floats('rotation', [layer.rotation.length], layer.rotation),
    ];
  });
  const header = { version: STATISTICS_VERSION, layers: layers.length, ...info };
  return writeSafetensors(tensors, { [KEY]: JSON.stringify(header) });
}

/**
 * @throws WebMlaError `bad_file` for a file that is none of statistics or lacks something, `unsupported` for one of a newer
 *   webmla, `bad_tensor` for other shapes than the metadata asks for, NaN or infinity
 */
export async function readStatistics(source: ByteSource, signal?: AbortSignal): Promise<StatisticsFile> {
  const { tensors, metadata } = await readSafetensors(source, signal);
  const { info, count } = readInfo(source.name, metadata[KEY]);
  const entries = new Map(tensors.map((entry) => [entry.name, entry]));
  const { num_attention_heads: heads, num_key_value_heads: groups, head_dim } = info;
  const full = 2 * groups * head_dim;
  const layers: LayerStatistics[] = [];
  for (let i = 0; i < count; i++) {
    const floats = async (name: string, length: number): Promise<Float64Array<ArrayBuffer>> => {
      const entry = entries.get(`layers.${i}.${name}`);
      if (!entry) throw bad(source.name, `expected layers.${i}.${name}, got no such tensor`);
      return readNumbers(entry, length, signal);
    };
    const triangles = async (name: string, size: number, matrices: number): Promise<Float64Array> =>
      unpackTriangles(await floats(name, (matrices * size * (size + 1)) / 2), size);
    const moments = async (name: string, weight: number): Promise<Moments> => ({
      weight,
      mean: await floats(`${name}.mean`, full),
      second: await triangles(`${name}.second`, full, 1),
    });
    const [tokens = 0, plain = 0, attended = 0] = await floats('counts', 3);
    layers.push({
      tokens,
      plain: await moments('plain', plain),
      attended: await moments('attended', attended),
      queries: await triangles('queries', head_dim, groups),
      spreadQueries: await triangles('spreadQueries', head_dim, groups),
      spread: await floats('spread', heads),
      rotation: await floats('rotation', groups * head_dim),
    });
  }
  return { info, layers };
}

function readInfo(file: string, text: string | undefined): { info: StatisticsInfo; count: number } {
  let json: unknown;
  try {
    json = JSON.parse(text ?? '');
  } catch (error) {
    throw bad(file, `expected statistics of webmla, got no ${KEY} in the metadata`, error);
  }
  if (!isJsonObject(json)) throw bad(file, `expected an object in ${KEY}, got ${typeof json}`);
  const fields: Record<string, unknown> = json;
  const number = (name: string): number => {
    const value = fields[name];
    if (typeof value === 'number' && Number.isInteger(value) && value >= 1 && value <= MOST) return value;
    throw bad(file, `expected ${name} from 1 to ${MOST}, got ${JSON.stringify(value)?.slice(0, 40)}`);
  };
  const version = number('version');
  if (version !== STATISTICS_VERSION) {
    throw new WebMlaError(
      'unsupported',
      `${file}: expected statistics of version ${STATISTICS_VERSION}, got ${version}`,
      'The file was written by another version of webmla. Calibrate again.',
    );
  }
  const model = fields['model'];
  if (typeof model !== 'string') throw bad(file, `expected the model's hash in ${KEY}, got ${typeof model}`);
  const info = {
    model,
    num_attention_heads: number('num_attention_heads'),
    num_key_value_heads: number('num_key_value_heads'),
    head_dim: number('head_dim'),
  };
  return { info, count: number('layers') };
}

async function readNumbers(
  entry: TensorEntry,
  length: number,
  signal: AbortSignal | undefined,
): Promise<Float64Array<ArrayBuffer>> {
  const { name, dtype, shape } = entry;
  if ((dtype !== 'F32' && dtype !== 'F64') || shape.length !== 1 || shape[0] !== length) {
    throw new WebMlaError(
      'bad_tensor',
      `${name}: expected F32 or F64 [${length}], got ${dtype} [${shape.join(', ')}]`,
      'The statistics are damaged. Calibrate again.',
    );
  }
  const { buffer } = (await readBytes(entry, signal)).bytes;
  const values = dtype === 'F32' ? Float64Array.from(new Float32Array(buffer)) : new Float64Array(buffer);
  checkFinite(name, values);
  return values;
}

/** Lower triangles of symmetric matrices [.., size, size], row after row. */
function packTriangles(values: Float64Array, size: number): Float64Array<ArrayBuffer> {
  const matrices = values.length / (size * size);
  const packed = new Float64Array((matrices * size * (size + 1)) / 2);
  let to = 0;
  for (let row = 0; row < matrices * size; row++) {
    const length = (row % size) + 1;
    packed.set(values.subarray(row * size, row * size + length), to);
    to += length;
  }
  return packed;
}

function unpackTriangles(packed: Float64Array, size: number): Float64Array {
  const matrices = packed.length / ((size * (size + 1)) / 2);
  const values = new Float64Array(matrices * size * size);
  let from = 0;
  for (let row = 0; row < matrices * size; row++) {
    const i = row % size;
    const start = (row - i) * size;
    for (let j = 0; j <= i; j++) {
      const value = packed[from++] ?? 0;
      values[start + i * size + j] = value;
      values[start + j * size + i] = value;
    }
  }
  return values;
}

function bytesOf(values: Float32Array<ArrayBuffer> | Float64Array): Uint8Array<ArrayBuffer> {
  return new Uint8Array(values.slice().buffer);
}

function bad(file: string, what: string, cause?: unknown): WebMlaError {
  return new WebMlaError(
    'bad_file',
    `${file}: ${what}`,
    'This is not a statistics file of webmla, or it is damaged. Calibrate again.',
    {},
    cause,
  );
}

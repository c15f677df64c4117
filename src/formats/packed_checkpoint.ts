import { WebMlaError } from '../core/errors.ts';
import { GROUP_BYTES, GROUP_SCALES, groupsOf } from '../core/packed.ts';
import type { PackedTensor, WeightFormat } from '../core/packed.ts';
import { isJsonObject } from './json_source.ts';
import type { SafetensorsFile } from './safetensors.ts';
import type { TensorToWrite } from './safetensors_writer.ts';
import type { TensorEntry } from './tensor_entry.ts';

/**
 * webmla's own quantised checkpoints are safetensors files in which a quantised matrix X [rows, cols] is two tensors,
 * X.quants U8 [rows, groups * GROUP_BYTES] and X.scales F16 [rows, groups * GROUP_SCALES] (core/packed.ts), and
 * `__metadata__["webmla.packed"]` is JSON {X: {format, rows, cols}}. Plain formats are ordinary tensors.
 */

const METADATA_KEY = 'webmla.packed';
const PLAIN_DTYPES: Partial<Record<WeightFormat, string>> = { f32: 'F32', f16: 'F16', bf16: 'BF16' };

/** What writeSafetensors needs for these weights: its tensors and its metadata. */
export function packedCheckpointTensors(weights: ReadonlyMap<string, PackedTensor>): {
  readonly tensors: readonly TensorToWrite[];
  readonly metadata: Readonly<Record<string, string>>;
} {
  return {
    tensors: [...weights].flatMap(([name, tensor]) => matrixTensors(name, tensor)),
    metadata: packedMetadata(weights),
  };
}

/** One matrix: itself, or its quants and scales. */
export function matrixTensors(name: string, tensor: PackedTensor): TensorToWrite[] {
  const { format, rows, cols, quants, scales } = tensor;
  const dtype = PLAIN_DTYPES[format];
  if (dtype) return [{ name, dtype, shape: [rows, cols], data: withoutPadding(tensor) }];
  const groups = groupsOf(cols);
  return [
    { name: `${name}.quants`, dtype: 'U8', shape: [rows, groups * GROUP_BYTES[format]], data: quants },
    {
      name: `${name}.scales`,
      dtype: 'F16',
      shape: [rows, groups * GROUP_SCALES[format]],
      data: new Uint8Array(scales.buffer, scales.byteOffset, scales.byteLength),
    },
  ];
}

/** What tells a reader which of the matrices are packed. */
export function packedMetadata(
  weights: ReadonlyMap<string, Pick<PackedTensor, 'format' | 'rows' | 'cols'>>,
): Readonly<Record<string, string>> {
  const packed: Record<string, { format: WeightFormat; rows: number; cols: number }> = {};
  for (const [name, { format, rows, cols }] of weights)
    if (!PLAIN_DTYPES[format]) packed[name] = { format, rows, cols };
  return { [METADATA_KEY]: JSON.stringify(packed) };
}

/**
 * The tensors of a file with each packed pair as one entry: dtype 'q8_0', 'q4_0' or 'q4_1', shape [rows, cols].
 * @throws WebMlaError `bad_file` when the metadata and the tensors do not fit each other
 */
export function packedEntries(file: SafetensorsFile): readonly TensorEntry[] {
  const text = file.metadata[METADATA_KEY];
  if (text === undefined) return file.tensors;
  const rest = new Map(file.tensors.map((entry) => [entry.name, entry]));
  const packed: TensorEntry[] = [];
  for (const [name, value] of Object.entries(parse(text))) {
    const quants = rest.get(`${name}.quants`);
    const scales = rest.get(`${name}.scales`);
    const { format, rows, cols } = isJsonObject(value) ? value : ({} as Record<string, unknown>);
    if (!isQuantised(format) || !isCount(rows) || !isCount(cols)) {
      throw bad(`expected {format, rows, cols} of ${name}, got ${JSON.stringify(value).slice(0, 100)}`);
    }
    const groups = groupsOf(cols);
    requirePart(quants, `${name}.quants`, 'U8', rows, groups * GROUP_BYTES[format]);
    requirePart(scales, `${name}.scales`, 'F16', rows, groups * GROUP_SCALES[format]);
    rest.delete(quants.name);
    rest.delete(scales.name);
    packed.push({ ...quants, name, dtype: format, shape: [rows, cols], scales });
  }
  return [...rest.values(), ...packed];
}

function requirePart(
  entry: TensorEntry | undefined,
  name: string,
  dtype: string,
  rows: number,
  width: number,
): asserts entry is TensorEntry {
  if (entry?.dtype === dtype && entry.shape.join() === `${rows},${width}`) return;
  const got = entry ? `${entry.dtype} [${entry.shape.join(', ')}]` : 'nothing';
  throw bad(`expected ${name} as ${dtype} [${rows}, ${width}], got ${got}`);
}

function parse(text: string): Readonly<Record<string, unknown>> {
  try {
    const value: unknown = JSON.parse(text);
    if (isJsonObject(value)) return value;
  } catch (error) {
    throw bad(`expected JSON, got ${text.slice(0, 60)}`, error);
  }
  throw bad(`expected a JSON object, got ${text.slice(0, 60)}`);
}

function withoutPadding({ rows, cols, format, quants }: PackedTensor): Uint8Array<ArrayBuffer> {
  const bytes = cols * (format === 'f32' ? 4 : 2);
  const stride = groupsOf(cols) * GROUP_BYTES[format];
  if (stride === bytes) return quants;
  const data = new Uint8Array(rows * bytes);
  for (let row = 0; row < rows; row++) {
    data.set(quants.subarray(row * stride, row * stride + bytes), row * bytes);
  }
  return data;
}

function isQuantised(format: unknown): format is 'q8_0' | 'q4_0' | 'q4_1' {
  return format === 'q8_0' || format === 'q4_0' || format === 'q4_1';
}

function isCount(value: unknown): value is number {
  return typeof value === 'number' && Number.isSafeInteger(value) && value > 0;
}

function bad(what: string, cause?: unknown): WebMlaError {
  return new WebMlaError('bad_file', `__metadata__["${METADATA_KEY}"]: ${what}`, '', {}, cause);
}

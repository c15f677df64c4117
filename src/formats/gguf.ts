import { BLOCK_SIZES, elementCount, isReadableDtype } from '../core/dtype.ts';
import { WebMlaError } from '../core/errors.ts';
import type { ByteSource } from './byte_source.ts';
import { readGgufHeader } from './gguf_header.ts';
import type { GgufTensorInfo } from './gguf_header.ts';
import { printable } from './printable.ts';
import type { TensorEntry } from './tensor_entry.ts';

export interface GgufFile {
  readonly metadata: Readonly<Record<string, unknown>>;
  /** Under their GGUF names, in the order of the header. */
  readonly tensors: readonly TensorEntry[];
}

const DEFAULT_ALIGNMENT = 32;

/** Names by number: enum ggml_type of ggml.h. Those without a name were taken out of ggml. */
const TYPE_NAMES: Readonly<Record<number, string>> = {
  0: 'F32',
  1: 'F16',
  2: 'Q4_0',
  3: 'Q4_1',
  6: 'Q5_0',
  7: 'Q5_1',
  8: 'Q8_0',
  9: 'Q8_1',
  10: 'Q2_K',
  11: 'Q3_K',
  12: 'Q4_K',
  13: 'Q5_K',
  14: 'Q6_K',
  15: 'Q8_K',
  16: 'IQ2_XXS',
  17: 'IQ2_XS',
  18: 'IQ3_XXS',
  19: 'IQ1_S',
  20: 'IQ4_NL',
  21: 'IQ3_S',
  22: 'IQ2_S',
  23: 'IQ4_XS',
  24: 'I8',
  25: 'I16',
  26: 'I32',
  27: 'I64',
  28: 'F64',
  29: 'IQ1_M',
  30: 'BF16',
  34: 'TQ1_0',
  35: 'TQ2_0',
  39: 'MXFP4',
  40: 'NVFP4',
};

/**
 * Reads the header only.
 * @throws WebMlaError `bad_file` when the header or the place of a tensor makes no sense; `unsupported` for big-endian files,
 *   version 1 and lists of lists
 */
export async function readGguf(source: ByteSource, signal?: AbortSignal): Promise<GgufFile> {
  const { metadata, tensors, byteLength: headerBytes } = await readGgufHeader(source, signal);
  const alignment = readAlignment(metadata, source.name);
  const dataOffset = Math.ceil(headerBytes / alignment) * alignment;
  const sorted = tensors.toSorted((a, b) => a.offset - b.offset);
  const entries = new Map<string, TensorEntry>();
  let end = 0;
  for (const [i, info] of sorted.entries()) {
    if (entries.has(info.name)) throw bad(source, `expected each tensor once, got ${info.name} twice`);
    if (info.offset % alignment !== 0) {
      throw bad(source, `expected an offset of ${info.name} that ${alignment} divides, got ${info.offset}`);
    }
    if (info.offset < end) {
      throw bad(source, `expected ${info.name} at or after byte ${end} of the data, got ${info.offset}`);
    }
    const dtype = TYPE_NAMES[info.type] ?? `GGML_TYPE_${info.type}`;
    const shape = info.dims.toReversed();
    // The size of a type that is only listed is not known here: it may reach to the next tensor.
    const next = sorted[i + 1]?.offset ?? Math.max(info.offset, source.size - dataOffset);
    const byteLength = bytesOf(source, info, dtype) ?? next - info.offset;
    end = info.offset + byteLength;
    if (dataOffset + end > source.size) {
      throw bad(source, `expected ${info.name} to end within ${source.size} bytes, got ${dataOffset + end}`);
    }
    entries.set(info.name, {
      name: info.name,
      dtype,
      shape,
      source,
      offset: dataOffset + info.offset,
      byteLength,
    });
  }
  return {
    metadata,
    tensors: tensors.map(({ name }) => entries.get(name)).filter((entry) => entry !== undefined),
  };
}

function bytesOf(source: ByteSource, info: GgufTensorInfo, dtype: string): number | null {
  if (!Number.isSafeInteger(elementCount(info.dims))) {
    throw bad(source, `expected fewer than 2^53 values in ${info.name}, got [${info.dims.join(', ')}]`);
  }
  if (!isReadableDtype(dtype)) return null;
  const block = BLOCK_SIZES[dtype];
  if ((info.dims[0] ?? 1) % block.elements !== 0) {
    throw bad(
      source,
      `expected rows of ${info.name} in blocks of ${block.elements}, got ${info.dims[0]} values`,
    );
  }
  return (elementCount(info.dims) / block.elements) * block.bytes;
}

function readAlignment(metadata: Readonly<Record<string, unknown>>, file: string): number {
  const alignment = metadata['general.alignment'] ?? DEFAULT_ALIGNMENT;
  const sound = typeof alignment === 'number' && alignment > 0 && alignment <= 2 ** 20;
  if (sound && Number.isInteger(Math.log2(alignment))) return alignment;
  throw bad({ name: file }, `expected a power of two as general.alignment, got ${printable(alignment)}`);
}

function bad(source: Pick<ByteSource, 'name'>, what: string): WebMlaError {
  return new WebMlaError(
    'bad_file',
    `${source.name}: ${what.slice(0, 300)}`,
    'The file is damaged, cut short, or not a GGUF file. Download it again.',
  );
}

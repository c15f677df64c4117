import { describe, expect, test } from 'vitest';
import type { ReadableDtype } from '../../../src/core/dtype.ts';
import { numberToBf16, numberToF16 } from '../../../src/core/half.ts';
import { unpack, WEIGHT_FORMATS } from '../../../src/core/packed.ts';
import type { PackedTensor, WeightFormat } from '../../../src/core/packed.ts';
import { quantize } from '../../../src/core/quantize.ts';
import { randomStream } from '../../../src/core/rng.ts';
import { memorySource } from '../../../src/formats/byte_source.ts';
import type { ByteSource } from '../../../src/formats/byte_source.ts';
import { decodeBlocks } from '../../../src/formats/ggml_blocks.ts';
import { packedCheckpointTensors, packedEntries } from '../../../src/formats/packed_checkpoint.ts';
import { readSafetensors } from '../../../src/formats/safetensors.ts';
import { writeSafetensors } from '../../../src/formats/safetensors_writer.ts';
import { asIsFormat, isKeptExactly, readFloats, readPacked } from '../../../src/formats/tensor_data.ts';
import { rowGather } from '../../../src/formats/tensor_entry.ts';
import type { RowOrder, TensorEntry } from '../../../src/formats/tensor_entry.ts';
import goldens from './ggml_goldens.json';
import { joined } from './memory_files.ts';
import { errorOf } from './typed_error.ts';

const random = randomStream(7);
const values = Float32Array.from({ length: 6 * 40 }, () => random() - 0.5);

function entryOf(
  dtype: string,
  shape: readonly number[],
  bytes: Uint8Array,
  rowOrder?: RowOrder,
): TensorEntry {
  const source = memorySource(joined([new Uint8Array(3), bytes]), 'file');
  const entry = { name: 'w', dtype, shape, source, offset: 3, byteLength: bytes.length };
  return rowOrder ? { ...entry, rowOrder } : entry;
}

const bytesOf = (array: ArrayBufferView): Uint8Array =>
  new Uint8Array(array.buffer, array.byteOffset, array.byteLength);
const golden = (dtype: keyof typeof goldens): Uint8Array =>
  Uint8Array.from(atob(goldens[dtype].bytes), (char) => char.charCodeAt(0));
const f16 = Uint16Array.from(values, numberToF16);
const bf16 = Uint16Array.from(values, numberToBf16);

/** The values with one set to these bits. */
const withBad = (dtype: ReadableDtype, at: number, bits: number): Uint8Array => {
  if (dtype === 'F32') {
    const copy = Uint32Array.from(new Uint32Array(values.buffer));
    copy[at] = bits;
    return bytesOf(copy);
  }
  const copy = Uint16Array.from(dtype === 'F16' ? f16 : bf16);
  copy[at] = bits;
  return bytesOf(copy);
};

describe('as-is', () => {
  test.each([
    ['F32', values, 'f32'],
    ['F16', f16, 'f16'],
    ['BF16', bf16, 'bf16'],
  ] as const)('%s keeps every value, with and without padding', async (dtype, array, format) => {
    for (const shape of [
      [6, 40],
      [240, 1],
      [3, 80],
      [1, 240],
      [15, 16],
    ] as const) {
      const packed = await readPacked(entryOf(dtype, shape, bytesOf(array)), shape, 'as-is');
      expect([packed.format, packed.rows, packed.cols]).toEqual([format, ...shape]);
      expect(unpack(packed)).toEqual(decodeBlocks(dtype, bytesOf(array)));
    }
  });

  test.each(['Q8_0', 'Q4_0', 'Q4_1'] as const)('%s keeps every value', async (dtype) => {
    const packed = await readPacked(entryOf(dtype, [2, 64], golden(dtype)), [2, 64], 'as-is');
    expect(packed.format).toBe(asIsFormat(dtype));
    expect(unpack(packed)).toEqual(decodeBlocks(dtype, golden(dtype)));
  });

  test.each([
    ['Q4_K', 'q4_1', [3, 256]],
    ['Q5_K', 'q8_0', [1, 768]],
    ['Q6_K', 'q8_0', [3, 256]],
    ['Q5_0', 'q8_0', [2, 64]],
    ['Q5_1', 'q8_0', [4, 32]],
  ] as const)('%s becomes %s within its rounding', async (dtype, format, shape) => {
    const exact = decodeBlocks(dtype, golden(dtype));
    const packed = await readPacked(entryOf(dtype, shape, golden(dtype)), shape, 'as-is');
    expect(packed.format).toBe(format);
    const largest = exact.reduce((a, b) => Math.max(a, Math.abs(b)), 0);
    const rounded = unpack(packed);
    expect(Math.max(...exact.map((value, i) => Math.abs(value - rounded[i]!)))).toBeLessThan(largest / 200);
  });

  test('says what it keeps', () => {
    const kept = ['F32', 'F16', 'BF16', 'Q8_0', 'Q4_0', 'Q4_1', 'q4_1', 'Q4_K', 'Q6_K', 'F64'].filter(
      isKeptExactly,
    );
    expect(kept).toEqual(['F32', 'F16', 'BF16', 'Q8_0', 'Q4_0', 'Q4_1', 'q4_1']);
    expect(asIsFormat('F64')).toBe('q8_0');
  });
});

describe('a chosen format', () => {
  test.each(WEIGHT_FORMATS)('%s of bf16 is quantize() of the values', async (format) => {
    const packed = await readPacked(entryOf('BF16', [6, 40], bytesOf(bf16)), [6, 40], format);
    expect(packed).toEqual(quantize(decodeBlocks('BF16', bytesOf(bf16)), 6, 40, format));
  });

  test('is made a few rows at a time, and that cannot be seen', async () => {
    const wide = Float32Array.from({ length: 5 * 400_000 }, () => random() - 0.5);
    const packed = await readPacked(entryOf('F32', [5, 400_000], bytesOf(wide)), [5, 400_000], 'q8_0');
    const expected = quantize(wide, 5, 400_000, 'q8_0');
    expect(packed.quants.every((byte, i) => byte === expected.quants[i])).toBe(true);
    expect(packed.scales.every((bits, i) => bits === expected.scales[i])).toBe(true);
  });

  test('reads each byte once', async () => {
    const reads: number[] = [];
    const entry = entryOf('F32', [6, 40], bytesOf(values));
    const source: ByteSource = {
      ...entry.source,
      read: (offset, length) => {
        reads.push(length);
        return entry.source.read(offset, length);
      },
    };
    await readPacked({ ...entry, source }, [6, 40], 'q4_0');
    expect(reads).toEqual([960]);
  });
});

describe('rows in the order of llama.cpp', () => {
  const rowOrder: RowOrder = { kind: 'llama_cpp_rope', heads: 2 };
  /** convert_hf_to_gguf.py: reshape(heads, 2, D / 2).swapaxes(1, 2), here for 2 heads of 6 rows. */
  const permuted = [0, 3, 1, 4, 2, 5].flatMap((row) => [row]);
  const fileRows = [...permuted, ...permuted.map((row) => row + 6)];

  test('rowGather undoes the permutation', () => {
    const order = rowGather({ shape: [12, 1], rowOrder })!;
    expect([...order].map((row) => fileRows[row])).toEqual([0, 1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11]);
    expect(rowGather({ shape: [12, 1] })).toBeNull();
  });

  test('HF row a * 32 + i is GGUF row 2 i + a (SmolLM2)', () => {
    const order = rowGather({ shape: [3 * 64, 1], rowOrder: { kind: 'llama_cpp_rope', heads: 3 } })!;
    for (const head of [0, 1, 2]) {
      for (const a of [0, 1])
        for (let i = 0; i < 32; i++) expect(order[64 * head + 32 * a + i]).toBe(64 * head + 2 * i + a);
    }
  });

  test('weights and biases come in HF order, and nothing is rounded', async () => {
    const rows = Float32Array.from(
      { length: 12 * 32 },
      (_, i) => fileRows[Math.floor(i / 32)]! + (i % 32) / 64,
    );
    const expected = Float32Array.from({ length: 12 * 32 }, (_, i) => Math.floor(i / 32) + (i % 32) / 64);
    const entry = entryOf('F32', [12, 32], bytesOf(rows), rowOrder);
    expect(unpack(await readPacked(entry, [12, 32], 'as-is'))).toEqual(expected);
    expect(await readFloats(entry, [12, 32])).toEqual(expected);
    const bias = entryOf('F32', [12], bytesOf(Float32Array.from(fileRows)), rowOrder);
    expect([...(await readFloats(bias, [12]))]).toEqual([0, 1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11]);
    const q8 = quantize(rows, 12, 32, 'q8_0');
    const blocks = Array.from({ length: 12 }, (_, i) =>
      joined([bytesOf(q8.scales.subarray(i, i + 1)), q8.quants.subarray(32 * i, 32 * i + 32)]),
    );
    const packed = await readPacked(entryOf('Q8_0', [12, 32], joined(blocks), rowOrder), [12, 32], 'as-is');
    const plain = await readPacked(entryOf('Q8_0', [12, 32], joined(blocks)), [12, 32], 'as-is');
    for (let row = 0; row < 12; row++) {
      const from = fileRows.indexOf(row);
      expect(packed.scales[row]).toBe(plain.scales[from]);
      expect(packed.quants.slice(32 * row, 32 * row + 32)).toEqual(
        plain.quants.slice(32 * from, 32 * from + 32),
      );
    }
  });
});

describe('what is refused', () => {
  test('another shape', async () => {
    const entry = entryOf('F32', [6, 40], bytesOf(values));
    for (const shape of [
      [40, 6],
      [6, 41],
    ] as const) {
      const error = await errorOf(readPacked(entry, shape, 'as-is'));
      expect(error.code).toBe('bad_tensor');
      expect(error.message).toBe(`w: expected the shape [${shape.join(', ')}], got [6, 40]`);
    }
    expect(await errorOf(readFloats(entry, [240]))).toMatchObject({ code: 'bad_tensor' });
  });

  test('a type that is only listed', async () => {
    const entry = entryOf('IQ2_XS', [1, 256], new Uint8Array(74));
    expect(await errorOf(readPacked(entry, [1, 256], 'as-is'))).toMatchObject({ code: 'unsupported' });
    expect(await errorOf(readFloats(entry, [1, 256]))).toMatchObject({ code: 'unsupported' });
  });

  const formats: readonly (WeightFormat | 'as-is')[] = ['as-is', 'f32', 'q8_0', 'q4_1'];
  test.each([
    ['F32', 0x7fc00000],
    ['F32', 0xff800000],
    ['F16', 0x7c00],
    ['F16', 0xfe00],
    ['BF16', 0xff80],
    ['BF16', 0x7fc1],
  ] as const)('NaN and infinity: %s %i', async (dtype, bits) => {
    const entry = entryOf(dtype, [6, 40], withBad(dtype, 87, bits));
    for (const format of formats) {
      const error = await errorOf(readPacked(entry, [6, 40], format));
      expect([error.code, error.details]).toEqual(['bad_tensor', { tensor: 'w', index: 87 }]);
    }
    expect((await errorOf(readFloats(entry, [6, 40]))).message).toContain('w[87]: expected a finite number');
  });

  test.each([
    ['Q8_0', 34, [0], 32],
    ['Q4_0', 18, [0], 32],
    ['Q4_1', 20, [0, 2], 32],
    ['Q5_0', 22, [0], 32],
    ['Q5_1', 24, [0, 2], 32],
    ['Q4_K', 144, [0, 2], 256],
    ['Q5_K', 176, [0, 2], 256],
    ['Q6_K', 210, [208], 256],
  ] as const)('a scale of %s that is not finite', async (dtype, size, scales, block) => {
    for (const offset of scales) {
      for (const bits of [0x7c00, 0x7e00]) {
        const bytes = golden(dtype);
        // Sub-block scales of 0 would hide an infinite d: 0 * infinity is NaN, which counts just as well.
        new DataView(bytes.buffer).setUint16(size + offset, bits, true);
        const rows = bytes.length / size;
        const entry = entryOf(dtype, [rows, block], bytes);
        const error = await errorOf(readPacked(entry, [rows, block], 'as-is'));
        expect(error.code).toBe('bad_tensor');
        expect(Math.floor(Number(error.details['index']) / block)).toBe(1);
        expect(await errorOf(readFloats(entry, [rows, block]))).toMatchObject({ code: 'bad_tensor' });
      }
    }
  });

  test('values that the format cannot hold', async () => {
    const large = Float32Array.from(values);
    large[50] = 70_000;
    const error = await errorOf(readPacked(entryOf('F32', [6, 40], bytesOf(large)), [6, 40], 'f16'));
    expect([error.code, error.details['index']]).toEqual(['bad_tensor', 50]);
    large[50] = 1e20;
    expect(await errorOf(readPacked(entryOf('F32', [6, 40], bytesOf(large)), [6, 40], 'q8_0'))).toMatchObject(
      {
        code: 'bad_tensor',
      },
    );
    expect((await readPacked(entryOf('F32', [6, 40], bytesOf(large)), [6, 40], 'bf16')).format).toBe('bf16');
  });
});

describe("webmla's own quantised checkpoints", () => {
  const weights = new Map<string, PackedTensor>(
    WEIGHT_FORMATS.map((format) => [`layer.${format}`, quantize(values, 6, 40, format)]),
  );
  async function reread(): Promise<readonly TensorEntry[]> {
    const { tensors, metadata } = packedCheckpointTensors(weights);
    const norm = { name: 'norm', dtype: 'F32', shape: [2], data: new Uint8Array(8) };
    const bytes = joined(writeSafetensors([...tensors, norm], metadata));
    return packedEntries(await readSafetensors(memorySource(bytes, 'own')));
  }

  test('one entry for each weight, read back bit for bit', async () => {
    const entries = await reread();
    expect(entries.map(({ name }) => name).toSorted()).toEqual([...weights.keys(), 'norm'].toSorted());
    for (const [name, tensor] of weights) {
      const entry = entries.find((one) => one.name === name)!;
      expect([entry.shape, asIsFormat(entry.dtype), isKeptExactly(entry.dtype)]).toEqual([
        [6, 40],
        tensor.format,
        true,
      ]);
      expect(await readPacked(entry, [6, 40], 'as-is')).toEqual(tensor);
      expect(await readFloats(entry, [6, 40])).toEqual(unpack(tensor));
    }
  });

  test('converted to another format', async () => {
    const entry = (await reread()).find(({ name }) => name === 'layer.q4_1')!;
    const expected = quantize(unpack(weights.get('layer.q4_1')!), 6, 40, 'q8_0');
    expect(await readPacked(entry, [6, 40], 'q8_0')).toEqual(expected);
  });

  test('metadata that does not fit', async () => {
    const { tensors, metadata } = packedCheckpointTensors(new Map([['w', quantize(values, 6, 40, 'q4_0')]]));
    const entriesWith = async (text: string, list = tensors) => {
      const bytes = joined(writeSafetensors(list, { ...metadata, 'webmla.packed': text }));
      return packedEntries(await readSafetensors(memorySource(bytes, 'own')));
    };
    const cases = [
      ['not json', 'expected JSON'],
      ['[]', 'expected a JSON object'],
      ['{"w":3}', 'expected {format, rows, cols} of w'],
      ['{"w":{"format":"q3_0","rows":6,"cols":40}}', 'expected {format, rows, cols} of w'],
      ['{"w":{"format":"q4_0","rows":6.5,"cols":40}}', 'expected {format, rows, cols} of w'],
      ['{"w":{"format":"q4_0","rows":7,"cols":40}}', 'expected w.quants as U8 [7, 32], got U8 [6, 32]'],
      ['{"w":{"format":"q4_1","rows":6,"cols":40}}', 'expected w.scales as F16 [6, 4], got F16 [6, 2]'],
      ['{"v":{"format":"q4_0","rows":6,"cols":40}}', 'expected v.quants as U8 [6, 32], got nothing'],
    ] as const;
    for (const [text, message] of cases) {
      const error = await errorOf(entriesWith(text));
      expect(error.code).toBe('bad_file');
      expect(error.message).toContain(message);
    }
  });

  test('a scale that is not finite', async () => {
    const tensor = quantize(values, 6, 40, 'q8_0');
    tensor.scales[5] = 0x7c00;
    const { tensors, metadata } = packedCheckpointTensors(new Map([['w', tensor]]));
    const bytes = joined(writeSafetensors(tensors, metadata));
    const [entry] = packedEntries(await readSafetensors(memorySource(bytes, 'own')));
    const error = await errorOf(readPacked(entry!, [6, 40], 'as-is'));
    // Scale 5 belongs to the second group of row 2.
    expect([error.code, error.details['index']]).toEqual(['bad_tensor', 2 * 40 + 32]);
  });
});

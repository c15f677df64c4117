import * as fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import { WebMlaError } from '../../../src/core/errors.ts';
import { quantize } from '../../../src/core/quantize.ts';
import type { ByteSource } from '../../../src/formats/byte_source.ts';
import { openCheckpoint } from '../../../src/formats/open_checkpoint.ts';
import { decodeBlocks } from '../../../src/formats/ggml_blocks.ts';
import { readGguf } from '../../../src/formats/gguf.ts';
import { listedFiles } from '../../../src/formats/listed_files.ts';
import { packedCheckpointTensors, packedEntries } from '../../../src/formats/packed_checkpoint.ts';
import { readSafetensors } from '../../../src/formats/safetensors.ts';
import { writeSafetensors } from '../../../src/formats/safetensors_writer.ts';
import { readBytes, readFloats, readPacked } from '../../../src/formats/tensor_data.ts';
import type { ByteRange, TensorEntry } from '../../../src/formats/tensor_entry.ts';
import goldens from './ggml_goldens.json';
import { text, u32, writeGguf } from './gguf_writer.ts';
import { bytesOf, f32Bytes, joined } from './memory_files.ts';
import { mutate, mutations } from './mutations.ts';
import { ggufFields, ggufTensor, tinyConfig, tinyTensors } from './tiny_model.ts';
import { WatchedSource } from './watched_source.ts';

/**
 * Damaged files give a typed error or right tensors; nothing hangs and nothing allocates out of proportion.
 *
 * Memory: readers allocate what they read (every read is checked against the size of the source first, WatchedSource
 * counts them), a window of 1 MiB, and what the header becomes, which both readers bound before they make it
 * (HeaderCursor's budget; headerFields). Each bound was also measured with a file that goes to its limit:
 * at most 51 MiB in all. Here heap and buffers are looked at
 * around each case.
 */
/** For a longer hunt: WEBMLA_FUZZ_CASES=50000 WEBMLA_FUZZ_SEED=1 npx vitest run test/cpu/formats/fuzz */
const CASES = Number(process.env['WEBMLA_FUZZ_CASES'] ?? 3000);
const SEED = Number(process.env['WEBMLA_FUZZ_SEED'] ?? 20_240_501);
/** A case takes about a millisecond; this is a hang. */
const CASE_MS = 2000;
const EXTRA_BYTES = 64 * 2 ** 20;

type Reader = (source: ByteSource) => Promise<readonly TensorEntry[]>;

interface Target {
  readonly file: Uint8Array<ArrayBuffer>;
  readonly headerBytes: number;
  readonly read: Reader;
}

async function targetOf(file: Uint8Array<ArrayBuffer>, read: Reader): Promise<Target> {
  const entries = await read(new WatchedSource(file));
  return { file, read, headerBytes: Math.min(...entries.map(({ offset }) => offset)) };
}

/** Lets only typed errors pass. @returns null for such an error */
async function typed<T>(work: Promise<T>): Promise<T | null> {
  try {
    return await work;
  } catch (error) {
    if (!(error instanceof WebMlaError) || error.code === 'internal' || error.code === 'aborted') throw error;
    expect(error.message).toMatch(/expected .*, got /s);
    expect(error.message.length).toBeLessThan(800);
    return null;
  }
}

interface SoundTensor {
  readonly entry: TensorEntry;
  readonly floats: Float32Array | null;
}

async function soundTensors(target: Target): Promise<ReadonlyMap<string, SoundTensor>> {
  const sound = new Map<string, SoundTensor>();
  for (const entry of await target.read(new WatchedSource(target.file))) {
    sound.set(entry.name, { entry, floats: await typed(readFloats(entry, entry.shape)) });
  }
  return sound;
}

/** Reads everything of a damaged file, and compares what the damage did not touch. @returns whether it was still a file */
async function survive(
  target: Target,
  sound: ReadonlyMap<string, SoundTensor>,
  bytes: Uint8Array<ArrayBuffer>,
): Promise<boolean> {
  const [start, memory] = [performance.now(), usedBytes()];
  const source = new WatchedSource(bytes);
  const entries = await typed(target.read(source));
  for (const entry of entries ?? []) {
    expect(entry.offset + entry.byteLength).toBeLessThanOrEqual(bytes.length);
    const raw = await typed(readBytes(entry));
    expect(raw === null || same(raw.bytes, partOf(bytes, entry))).toBe(true);
    const floats = await typed(readFloats(entry, entry.shape));
    const [rows, cols] = entry.shape;
    if (rows !== undefined && cols !== undefined && entry.shape.length === 2) {
      await typed(readPacked(entry, [rows, cols], 'as-is'));
    }
    const before = sound.get(entry.name);
    if (before && isUntouched(before.entry, entry, target.file, bytes)) {
      expect(floats && before.floats ? same(floats, before.floats) : floats === before.floats).toBe(true);
    }
  }
  expect(source.largest).toBeLessThanOrEqual(Math.max(bytes.length, 8));
  expect(usedBytes() - memory).toBeLessThan(bytes.length + EXTRA_BYTES);
  expect(performance.now() - start).toBeLessThan(CASE_MS);
  return entries !== null;
}

/** The same type, shape and order of rows, over the same bytes, wherever these lie now. */
function isUntouched(before: TensorEntry, after: TensorEntry, file: Uint8Array, bytes: Uint8Array): boolean {
  return (
    before.dtype === after.dtype &&
    before.shape.join() === after.shape.join() &&
    before.rowOrder?.heads === after.rowOrder?.heads &&
    same(partOf(file, before), partOf(bytes, after)) &&
    (before.scales && after.scales
      ? same(partOf(file, before.scales), partOf(bytes, after.scales))
      : before.scales === after.scales)
  );
}

function partOf(file: Uint8Array, { offset, byteLength }: ByteRange): Uint8Array {
  return file.subarray(offset, offset + byteLength);
}

function same(a: ArrayBufferView, b: ArrayBufferView): boolean {
  const bytesIn = (view: ArrayBufferView): Uint8Array =>
    new Uint8Array(view.buffer, view.byteOffset, view.byteLength);
  return Buffer.compare(bytesIn(a), bytesIn(b)) === 0;
}

function usedBytes(): number {
  const { heapUsed, external } = process.memoryUsage();
  return heapUsed + external;
}

async function fuzz(target: Target): Promise<{ readonly cases: number; readonly accepted: number }> {
  const sound = await soundTensors(target);
  let [cases, accepted] = [0, 0];
  const property = fc.asyncProperty(mutations(target.headerBytes, target.file.length), async (list) => {
    cases++;
    if (await survive(target, sound, mutate(target.file, list))) accepted++;
  });
  await fc.assert(property, {
    numRuns: CASES,
    seed: SEED,
  });
  return { cases, accepted };
}

const values = Float32Array.from({ length: 4 * 40 }, (_, i) => Math.sin(i));
const golden = (dtype: keyof typeof goldens): Uint8Array =>
  Uint8Array.from(atob(goldens[dtype].bytes), (char) => char.charCodeAt(0));

describe('safetensors', () => {
  const { tensors, metadata } = packedCheckpointTensors(
    new Map([['packed', quantize(values, 4, 40, 'q4_1')]]),
  );
  const file = joined(
    writeSafetensors(
      [
        { name: 'matrix', dtype: 'F32', shape: [4, 40], data: f32Bytes(values) },
        { name: 'norm', dtype: 'BF16', shape: [8], data: new Uint8Array(16).fill(60) },
        { name: 'ids', dtype: 'I64', shape: [2, 1, 2], data: new Uint8Array(32).fill(1) },
        { name: 'none', dtype: 'F16', shape: [0], data: new Uint8Array(0) },
        ...tensors,
      ],
      { ...metadata, format: 'pt' },
    ),
  );

  test(`${CASES} damaged files`, async () => {
    const read: Reader = async (source) => packedEntries(await readSafetensors(source));
    const { cases, accepted } = await fuzz(await targetOf(file, read));
    expect(cases).toBe(CASES);
    // Damage of the data alone leaves a file that is still one.
    expect(accepted).toBeGreaterThan(100);
  });

  test(`${CASES} headers whose JSON is sound and whose sense is not`, async () => {
    const numbers = fc.constantFrom(
      '-1',
      '0',
      '1',
      '3',
      '0.5',
      '1e3',
      '4294967296',
      '9007199254740993',
      '1e308',
      '"4"',
      'null',
      '[]',
    );
    const words = fc.constantFrom(
      '"F32"',
      '"F64"',
      '"Q8_0"',
      '"q4_1"',
      '"F8_E4M3"',
      '"XYZ"',
      '"matrix"',
      '"norm"',
      '{}',
      'true',
      '""',
    );
    const header = new TextDecoder().decode(
      file.subarray(8, 8 + Number(new DataView(file.buffer).getBigUint64(0, true))),
    );
    const numberCount = header.match(/\d+(?=[,\]])/g)!.length;
    const wordCount = header.match(/"[^"]*"/g)!.length;
    let accepted = 0;
    const edits = fc.array(
      fc.oneof(
        fc.tuple(fc.constant('number'), fc.nat(numberCount - 1), numbers),
        fc.tuple(fc.constant('word'), fc.nat(wordCount - 1), words),
      ),
      { minLength: 1, maxLength: 3 },
    );
    await fc.assert(
      fc.asyncProperty(edits, async (list) => {
        let changed = header;
        for (const [kind, index, value] of list) {
          let i = 0;
          const pattern = kind === 'number' ? /\d+(?=[,\]])/g : /"[^"]*"/g;
          changed = changed.replaceAll(pattern, (old) => (i++ === index ? value : old));
        }
        const length = new Uint8Array(8);
        new DataView(length.buffer).setBigUint64(0, BigInt(new TextEncoder().encode(changed).length), true);
        const bytes = joined([length, bytesOf(changed), file.subarray(8 + header.length)]);
        const target = {
          file,
          headerBytes: 8 + header.length,
          read: async (source: ByteSource) => packedEntries(await readSafetensors(source)),
        };
        if (await survive(target, new Map(), bytes)) accepted++;
      }),
      { numRuns: CASES, seed: SEED },
    );
    expect(accepted).toBeGreaterThan(0);
  });
});

describe('GGUF', () => {
  const file = writeGguf(
    {
      'general.architecture': text('llama'),
      'general.alignment': u32(32),
      'a.flag': { type: 'bool', value: true },
      'a.large': { type: 'u64', value: 2n ** 60n },
      'a.list': { type: 'f32', value: [1, 2, 3] },
      'tokenizer.ggml.tokens': { type: 'string', value: ['<s>', 'a', 'é'] },
    },
    [
      { name: 'norm', type: 0, shape: [40], data: f32Bytes(values.subarray(0, 40)) },
      { name: 'q8', type: 8, shape: [2, 64], data: golden('Q8_0') },
      { name: 'q4', type: 3, shape: [4, 32], data: golden('Q4_1') },
      { name: 'q6', type: 14, shape: [3, 256], data: golden('Q6_K') },
      { name: 'iq', type: 23, shape: [1, 256], data: new Uint8Array(136) },
    ],
  );

  test(`${CASES} damaged files`, async () => {
    const { cases, accepted } = await fuzz(
      await targetOf(file, async (source) => (await readGguf(source)).tensors),
    );
    expect(cases).toBe(CASES);
    expect(accepted).toBeGreaterThan(100);
  });

  test('the sound file is what it is', async () => {
    const { tensors } = await readGguf(new WatchedSource(file));
    const q6 = tensors.find(({ name }) => name === 'q6')!;
    expect(await readFloats(q6, [3, 256])).toEqual(decodeBlocks('Q6_K', golden('Q6_K')));
  });

  test(`${CASES} damaged models`, async () => {
    const model = writeGguf(
      ggufFields(),
      tinyTensors.map((tensor) => ggufTensor(tensor)),
    );
    const read: Reader = async (source) => {
      const files = listedFiles('fuzz', new Map([['fuzz.gguf', async () => source]]));
      return [...(await openCheckpoint(files)).tensors.values()];
    };
    const { accepted } = await fuzz(await targetOf(model, read));
    expect(accepted).toBeGreaterThan(100);
  });
});

test(`${CASES} config.json`, async () => {
  const keys = [
    ...Object.keys(tinyConfig),
    'head_dim',
    'rope_scaling',
    'rope_parameters',
    'text_config',
    'layer_types',
  ];
  const rope = fc.record({
    rope_type: fc.constantFrom('default', 'linear', 'dynamic', 'llama3', 'yarn', 'longrope'),
    factor: fc.constantFrom(2, 0, -1, null, '2'),
    mscale: fc.constantFrom(1, null, 'x'),
  });
  const value = fc.oneof(
    fc.jsonValue({ maxDepth: 2 }),
    rope,
    fc.constantFrom(0, -1, 0.5, 3, 1e300, '__proto__'),
  );
  const changes = fc.dictionary(fc.constantFrom(...keys), value, { minKeys: 1, maxKeys: 4 });
  const weights = new WatchedSource(joined(writeSafetensors(tinyTensors)));
  await fc.assert(
    fc.asyncProperty(changes, async (change) => {
      const config = new WatchedSource(bytesOf({ ...tinyConfig, ...change }));
      const open = new Map([
        ['config.json', async () => config],
        ['model.safetensors', async () => weights],
      ]);
      const checkpoint = await typed(openCheckpoint(listedFiles('fuzz', open)));
      const numbers = Object.values(checkpoint?.config ?? {}).filter((x) => typeof x === 'number');
      expect(numbers.every((x) => Number.isFinite(x))).toBe(true);
    }),
    { numRuns: CASES, seed: SEED },
  );
});

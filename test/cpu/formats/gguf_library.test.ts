import { readFile } from 'node:fs/promises';
import path from 'node:path';
import { gguf } from '@huggingface/gguf';
import { describe, expect, test } from 'vitest';
import { memorySource } from '../../../src/formats/byte_source.ts';
import { readGgufHeader } from '../../../src/formats/gguf_header.ts';
import { modelTest } from '../../models.ts';
import { text, u32, writeGguf } from './gguf_writer.ts';
import { f32Bytes } from './memory_files.ts';

/**
 * @huggingface/gguf reads the same headers: an implementation that shares nothing with ours. Why it is not the one that
 * webmla ships is pinned below; when a test there fails, the library has learnt something and the choice may be made anew.
 */
async function byLibrary(bytes: Uint8Array): ReturnType<typeof gguf> {
  const ranges: typeof fetch = async (_, init) => {
    const range = new Headers(init?.headers).get('range');
    const [, from, to] = /bytes=(\d+)-(\d+)/.exec(range ?? '')!;
    const part = new Uint8Array(bytes.subarray(Number(from), Number(to) + 1));
    return new Response(part, {
      status: 206,
      headers: { 'Content-Range': `bytes ${from}-${to}/${bytes.length}` },
    });
  };
  // A pseudo-address: without one the library looks for a local file.
  return gguf('http://gguf.invalid/', { fetch: ranges });
}

async function expectSame(bytes: Uint8Array): Promise<void> {
  const ours = await readGgufHeader(memorySource(bytes, 'f'));
  const theirs = await byLibrary(bytes);
  const { version, tensor_count, kv_count, ...metadata } = theirs.metadata;
  expect([2, 3]).toContain(version);
  expect(ours.tensors.length).toBe(Number(tensor_count));
  expect(Object.keys(ours.metadata).length).toBe(Number(kv_count));
  const numbers = JSON.stringify(metadata, (_, value: unknown) =>
    typeof value === 'bigint' ? Number(value) : value,
  );
  expect(JSON.stringify(ours.metadata)).toBe(numbers);
  expect(ours.tensors).toEqual(
    theirs.tensorInfos.map(({ name, shape, dtype, offset }) => ({
      name,
      dims: shape.map(Number),
      type: dtype,
      offset: Number(offset),
    })),
  );
  expect(ours.byteLength).toBe(theirs.tensorInfoByteRange[1]);
}

describe('ours and the library agree', () => {
  test('on a small file', async () => {
    const fields = {
      'general.architecture': text('llama'),
      'a.count': u32(3),
      'a.large': { type: 'u64' as const, value: 2 ** 40 },
      'a.list': { type: 'string' as const, value: ['x', 'ÿ', ''] },
    };
    await expectSame(
      writeGguf(fields, [{ name: 't', type: 0, shape: [2, 3], data: f32Bytes([1, 2, 3, 4, 5, 6]) }]),
    );
  });

  modelTest('on every GGUF of the models', async (dir) => {
    const names = ['stories260K.F32', 'stories260K.Q8_0', 'stories260K.Q4_1', 'TinyStories-656K.F32'];
    for (const name of names) await expectSame(await readFile(path.join(dir, 'gguf', `${name}.gguf`)));
    const smol = path.join(dir, 'SmolLM2-135M-Instruct', 'SmolLM2-135M-Instruct.Q4_1.gguf');
    await expectSame(await readFile(smol));
  });
});

describe('why the library is not used', () => {
  test('it cuts a text of 2.5 MB of a sound file without an error', async () => {
    const long = 'x'.repeat(2_500_000);
    const bytes = writeGguf({ 'tokenizer.huggingface.json': text(long), after: u32(7) }, []);
    expect(
      (await readGgufHeader(memorySource(bytes, 'f'))).metadata['tokenizer.huggingface.json'],
    ).toHaveLength(2_500_000);
    const { metadata } = await byLibrary(bytes);
    expect(Object(metadata)['tokenizer.huggingface.json'].length).toBeLessThan(2_000_000);
  });

  test('it cuts the last text of a list that ends beyond a multiple of 2,000,000 bytes', async () => {
    // Each text takes 20 bytes; the header before them 49.
    const count = Math.floor((2_000_000 - 49) / 20) + 1;
    const tokens = Array.from({ length: count }, (_, i) => String(i).padStart(12, '0'));
    const bytes = writeGguf({ a: { type: 'string', value: tokens }, after: u32(7) }, []);
    const ours = await readGgufHeader(memorySource(bytes, 'f'));
    expect(ours.metadata['a']).toEqual(tokens);
    const { metadata } = await byLibrary(bytes);
    expect(Object(metadata).a.at(-1)).not.toBe(tokens.at(-1));
  });

  test('it gives 100,000 values for a list that a file of 49 bytes only claims to have', async () => {
    const bytes = writeGguf({ a: { type: 'string', value: [] } }, []);
    new DataView(bytes.buffer).setBigUint64(24 + 9 + 8, 100_000n, true);
    const { metadata } = await byLibrary(bytes);
    expect(Object(metadata).a).toHaveLength(100_000);
  });
});

import { describe, expect, test } from 'vitest';
import { readStatistics, writeStatistics } from '../../../src/convert/statistics_file.ts';
import type { StatisticsFile } from '../../../src/convert/statistics_file.ts';
import type { LayerStatistics, Moments } from '../../../src/convert/statistics.ts';
import { randomStream } from '../../../src/core/rng.ts';
import { memorySource } from '../../../src/formats/byte_source.ts';
import { writeSafetensors } from '../../../src/formats/safetensors_writer.ts';

const info = { model: 'sha256:abc', num_attention_heads: 4, num_key_value_heads: 2, head_dim: 6 };

/** @param seed makes all values different, so that a mixed-up field shows */
function layer(seed: number): LayerStatistics {
  const next = randomStream(seed);
  const vector = (length: number): Float64Array =>
    Float64Array.from({ length }, () => Math.fround(next() - 0.5));
  const symmetric = (size: number, count = 1): Float64Array => {
    const values = vector(count * size * size);
    return values.map((x, at) => {
      const [m, i, j] = [Math.floor(at / (size * size)), Math.floor(at / size) % size, at % size];
      return i >= j ? x : values[m * size * size + j * size + i]!;
    });
  };
  const moments = (weight: number): Moments => ({ weight, mean: vector(24), second: symmetric(24) });
  return {
    tokens: 100 + seed,
    plain: moments(100.5),
    attended: moments(17.25),
    queries: symmetric(6, 2),
    spreadQueries: symmetric(6, 2),
    spread: vector(4),
    rotation: vector(12),
  };
}

const file: StatisticsFile = { info, layers: [layer(1), layer(2)] };
const open = async (parts: Uint8Array<ArrayBuffer>[]): Promise<StatisticsFile> =>
  readStatistics(memorySource(new Uint8Array(await new Blob(parts).arrayBuffer()), 'statistics'));

test.each(['F32', 'F64'] as const)('%s: what is read is what was written', async (dtype) => {
  expect(await open(writeStatistics(file, dtype))).toEqual(file);
});

test('half of each symmetric matrix is stored', async () => {
  const size = (await new Blob(writeStatistics(file, 'F64')).arrayBuffer()).byteLength;
  const values = 2 * (2 * (24 + 300) + 2 * 2 * 21 + 4 + 12 + 3);
  expect(size).toBeGreaterThan(8 * values);
  expect(size).toBeLessThan(8 * values + 4096);
});

describe('bad files give typed errors', () => {
  const header = (fields: object): Record<string, string> => ({
    'webmla.statistics': JSON.stringify(fields),
  });
  const good = { version: 1, layers: 1, ...info };
  test.each([
    ['no metadata', {}, 'bad_file', /webmla.statistics/],
    ['not JSON', { 'webmla.statistics': '{' }, 'bad_file', /webmla.statistics/],
    ['not an object', { 'webmla.statistics': '3' }, 'bad_file', /object/],
    ['a newer version', header({ ...good, version: 2 }), 'unsupported', /version 1, got 2/],
    ['a huge shape', header({ ...good, head_dim: 1e9 }), 'bad_file', /head_dim/],
    ['no model', header({ ...good, model: 3 }), 'bad_file', /hash/],
    ['no tensors', header(good), 'bad_file', /layers.0.counts/],
  ])('%s', async (_, metadata, code, message) => {
    const failure = open(writeSafetensors([], metadata));
    await expect(failure).rejects.toMatchObject({ code });
    await expect(failure).rejects.toThrow(message);
  });

  test('shapes of another model', async () => {
    const other = { ...file, info: { ...info, num_attention_heads: 8 } };
    await expect(open(writeStatistics(other))).rejects.toMatchObject({ code: 'bad_tensor' });
  });

  test('NaN', async () => {
    const damaged = layer(3);
    damaged.plain.second.fill(Number.NaN);
    await expect(open(writeStatistics({ info, layers: [damaged] }))).rejects.toMatchObject({
      code: 'bad_tensor',
    });
  });
});

import { beforeEach, describe, expect, test } from 'vitest';
import type { LayerStatistics, Moments } from '../../../src/convert/statistics.ts';
import { STATISTICS_VERSION, writeStatistics } from '../../../src/convert/statistics_file.ts';
import type { Checkpoint } from '../../../src/formats/checkpoint.ts';
import { ModelStore } from '../../../src/formats/model_store.ts';
import { openCheckpoint } from '../../../src/formats/open_checkpoint.ts';
import { writeSafetensors } from '../../../src/formats/safetensors_writer.ts';
import {
  findStatistics,
  keepStatistics,
  modelHash,
  statisticsAddress,
} from '../../../src/runtime/statistics_store.ts';
import { FakeDirectory, FakeFile } from '../formats/fake_opfs.ts';
import { memoryFiles } from '../formats/memory_files.ts';
import { tinyConfig, tinyTensors } from '../formats/tiny_model.ts';

const HEADS = 4;
const [GROUPS, HEAD_DIM] = [2, 8];
const FULL = 2 * GROUPS * HEAD_DIM;
const ROWS = [Uint32Array.of(1, 2, 3), Uint32Array.of(4, 5)];

function statistics(tokens = 5): LayerStatistics {
  const square = (size: number, count = 1): Float64Array =>
    Float64Array.from({ length: count * size * size }, (_, i) => (i % (size + 1) === 0 ? 2 : 0));
  const moments = (): Moments => ({
    weight: 3,
    mean: new Float64Array(FULL).fill(0.5),
    second: square(FULL),
  });
  return {
    tokens,
    plain: moments(),
    attended: moments(),
    queries: new Float64Array(GROUPS * HEAD_DIM ** 2),
    spreadQueries: new Float64Array(GROUPS * HEAD_DIM ** 2),
    spread: new Float64Array(HEADS).fill(1),
    rotation: new Float64Array(GROUPS * HEAD_DIM).fill(0.25),
  };
}

let root: FakeDirectory;
let store: ModelStore;
let checkpoint: Checkpoint;
let address: string;

async function opened(tensors = tinyTensors): Promise<Checkpoint> {
  return openCheckpoint(
    memoryFiles({ 'config.json': tinyConfig, 'model.safetensors': writeSafetensors(tensors) }),
  );
}

beforeEach(async () => {
  root = new FakeDirectory();
  store = await ModelStore.open(root);
  checkpoint = await opened();
  address = await statisticsAddress(checkpoint, await modelHash(checkpoint), ROWS);
});

/** The one file of the store. */
async function storedFile(): Promise<FakeFile> {
  const files = await root.getDirectoryHandle('files');
  const [file] = files.children.values();
  if (!(file instanceof FakeFile)) throw new Error('expected a file in the store');
  return file;
}

test('what was kept is found, in another session too', async () => {
  expect(await findStatistics(store, address, checkpoint)).toBeNull();
  await keepStatistics(store, address, checkpoint, [statistics()]);
  const later = await ModelStore.open(root);
  expect(await findStatistics(later, address, checkpoint)).toEqual([statistics()]);
  expect(await later.list()).toMatchObject([{ urls: [address] }]);
});

test('other weights, another configuration or other rows: another address', async () => {
  const [first, ...rest] = tinyTensors;
  if (!first) throw new Error('expected tensors');
  const data = first.data.slice();
  data.set([7], 3);
  const changed = await modelHash(await opened([{ ...first, data }, ...rest]));
  const hash = await modelHash(checkpoint);
  expect(changed).not.toBe(hash);
  expect(await modelHash({ ...checkpoint, rawConfig: { ...tinyConfig, rope_theta: 5e5 } })).not.toBe(hash);
  expect(await modelHash(await opened())).toBe(hash);
  // The same tokens in other rows are other sequences.
  const joined = await statisticsAddress(checkpoint, hash, [Uint32Array.of(1, 2, 3, 4, 5)]);
  expect(joined).not.toBe(address);
});

describe('what may not be used is not found, and goes', () => {
  test.each<[string, (bytes: Uint8Array<ArrayBuffer>) => Uint8Array<ArrayBuffer>]>([
    ['cut short', (bytes) => bytes.slice(0, bytes.length - 40)],
    ['damaged', (bytes) => bytes.map((byte, i) => (i < 40 ? 0 : byte))],
    ['NaN', (bytes) => bytes.map((byte, i) => (i >= bytes.length - 4 ? 255 : byte))],
  ])('%s', async (_, damage) => {
    await keepStatistics(store, address, checkpoint, [statistics()]);
    const file = await storedFile();
    file.bytes = damage(file.bytes);
    expect(await findStatistics(store, address, checkpoint)).toBeNull();
    await keepStatistics(store, address, checkpoint, [statistics()]);
    expect(await findStatistics(store, address, checkpoint)).toEqual([statistics()]);
  });

  test('of another version, or of another model, under this address', async () => {
    const info = { model: 'x', num_attention_heads: HEADS, num_key_value_heads: GROUPS, head_dim: HEAD_DIM };
    const newer = STATISTICS_VERSION + 1;
    const metadata = { 'webmla.statistics': JSON.stringify({ version: newer, layers: 0, ...info }) };
    const wrong = [
      writeSafetensors(tinyTensors, metadata),
      writeStatistics({ info, layers: [statistics(), statistics()] }),
    ];
    for (const parts of wrong) {
      const size = parts.reduce((sum, { length }) => sum + length, 0);
      const chunks = (async function* () {
        yield* parts;
      })();
      await store.save({ url: address, size, version: null, sha256: null }, chunks);
      expect(await findStatistics(store, address, checkpoint)).toBeNull();
      expect(await store.list()).toEqual([]);
    }
  });

  test('a disk that is full while it is written: an error, and nothing is left', async () => {
    root.disk.quota = 2000;
    await expect(keepStatistics(store, address, checkpoint, [statistics()])).rejects.toMatchObject({
      code: 'storage',
    });
    expect(await findStatistics(store, address, checkpoint)).toBeNull();
    expect(await store.list()).toEqual([]);
  });

  test('writing that was interrupted: nothing is found', async () => {
    const controller = new AbortController();
    controller.abort();
    const cut = keepStatistics(store, address, checkpoint, [statistics()], controller.signal);
    await expect(cut).rejects.toMatchObject({ code: 'aborted' });
    expect(await findStatistics(store, address, checkpoint)).toBeNull();
    expect(Object.keys(root.list()).filter((path) => path !== 'index.json')).toEqual([]);
  });
});

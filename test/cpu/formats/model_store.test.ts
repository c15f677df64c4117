import { beforeEach, describe, expect, test } from 'vitest';
import { WebMlaError } from '../../../src/core/errors.ts';
import { ModelStore } from '../../../src/formats/model_store.ts';
import type { Expected } from '../../../src/formats/model_store.ts';
import type { StoreLocks } from '../../../src/formats/store_index.ts';
import { requestPersistence, storeDirectory } from '../../../src/formats/store_directory.ts';
import { sha256 } from '../../servers/hub_server.ts';
import { FakeDirectory } from './fake_opfs.ts';
import { errorOf } from './typed_error.ts';

const content = Uint8Array.from({ length: 3_000_000 }, (_, i) => (i * i) % 251);
const hash = sha256(content);

async function* chunksOf(bytes: Uint8Array, size = 100_000): AsyncGenerator<Uint8Array<ArrayBuffer>> {
  for (let at = 0; at < bytes.length; at += size) yield new Uint8Array(bytes.subarray(at, at + size));
}

async function* broken(): AsyncGenerator<Uint8Array<ArrayBuffer>> {
  yield content.slice(0, 2_000_000);
  throw new WebMlaError('network', 'cut');
}

function expected(url: string, more: Partial<Expected> = {}): Expected {
  return { url, size: content.length, version: 'v1', sha256: null, ...more };
}

let root: FakeDirectory;
let store: ModelStore;
beforeEach(async () => {
  root = new FakeDirectory();
  store = await ModelStore.open(root);
});

async function sameBytes(url: string): Promise<boolean> {
  const found = await store.find(url);
  const bytes = await found?.source.read(0, content.length);
  return bytes?.every((byte, i) => byte === content[i]) ?? false;
}

describe('a download', () => {
  test('is kept under the hash of its content', async () => {
    const source = await store.save(expected('https://x/a'), chunksOf(content));
    expect(source.size).toBe(content.length);
    expect(source.name).toBe('https://x/a');
    expect(await sameBytes('https://x/a')).toBe(true);
    expect(Object.keys(root.list()).toSorted()).toEqual([`files/${hash}`, 'index.json']);
    expect((await store.find('https://x/a'))?.entry).toMatchObject({
      sha256: hash,
      size: 3_000_000,
      version: 'v1',
    });
  });

  test('without move(), too', async () => {
    root.disk.movable = false;
    await store.save(expected('https://x/a'), chunksOf(content));
    expect(await sameBytes('https://x/a')).toBe(true);
    expect(Object.keys(root.list()).toSorted()).toEqual([`files/${hash}`, 'index.json']);
  });

  test('of the same content from another address shares the file', async () => {
    await store.save(expected('https://x/a'), chunksOf(content));
    await store.save(expected('https://y/b'), chunksOf(content));
    expect(Object.keys(root.list()).toSorted()).toEqual([`files/${hash}`, 'index.json']);
    const [file, ...more] = await store.list();
    expect(more).toEqual([]);
    expect(file).toMatchObject({ sha256: hash, bytes: 3_000_000, urls: ['https://x/a', 'https://y/b'] });
  });

  test('that breaks off leaves nothing', async () => {
    expect(await errorOf(store.save(expected('https://x/a'), broken()))).toMatchObject({ code: 'network' });
    expect(root.list()).toEqual({});
    expect(await store.find('https://x/a')).toBeNull();
  });

  test('of other content than promised is thrown away', async () => {
    const wrong = expected('https://x/a', { sha256: 'f'.repeat(64) });
    const error = await errorOf(store.save(wrong, chunksOf(content)));
    expect([error.code, error.message]).toEqual(['network', expect.stringContaining(hash)]);
    const short = await errorOf(store.save(expected('https://x/a'), chunksOf(content.subarray(1))));
    expect([short.code, short.message]).toEqual(['network', expect.stringContaining('got 2999999 bytes')]);
    expect(root.list()).toEqual({});
  });

  test('of the promised content is kept', async () => {
    await store.save(expected('https://x/a', { sha256: hash }), chunksOf(content));
    expect(await sameBytes('https://x/a')).toBe(true);
  });

  test('that is cancelled leaves nothing', async () => {
    const controller = new AbortController();
    async function* slow(): AsyncGenerator<Uint8Array<ArrayBuffer>> {
      for await (const chunk of chunksOf(content)) {
        yield chunk;
        controller.abort();
      }
    }
    const error = await errorOf(store.save(expected('https://x/a'), slow(), controller.signal));
    expect(error.code).toBe('aborted');
    expect(root.list()).toEqual({});
  });

  test('that does not fit is `storage` and leaves nothing', async () => {
    root.disk.quota = 1_500_000;
    const error = await errorOf(store.save(expected('https://x/a'), chunksOf(content)));
    expect(error.code).toBe('storage');
    expect(error.message).toContain('expected room for 3000000 bytes');
    expect(error.message).toContain('QuotaExceededError');
    expect(root.list()).toEqual({});
    root.disk.quota = 4_000_000;
    await store.save(expected('https://x/a'), chunksOf(content));
    expect(await sameBytes('https://x/a')).toBe(true);
  });

  test('in two tabs at once', async () => {
    const other = await ModelStore.open(root);
    await Promise.all([
      store.save(expected('https://x/a'), chunksOf(content, 70_000)),
      other.save(expected('https://x/a'), chunksOf(content, 50_000)),
    ]);
    expect(await sameBytes('https://x/a')).toBe(true);
    expect(Object.keys(root.list()).filter((path) => path.startsWith('partial/'))).toEqual([]);
  });
});

describe('an empty file', () => {
  test('is a file', async () => {
    const source = await store.save(expected('https://x/e', { size: 0 }), chunksOf(new Uint8Array(0)));
    expect(source.size).toBe(0);
  });
});

describe('what lies there', () => {
  test('a file that was cut afterwards is not taken for the model', async () => {
    await store.save(expected('https://x/a'), chunksOf(content));
    const files = await root.getDirectoryHandle('files');
    (await files.getFileHandle(hash)).bytes = content.slice(0, 100);
    expect(await store.find('https://x/a')).toBeNull();
    await store.save(expected('https://x/a'), chunksOf(content));
    expect(await sameBytes('https://x/a')).toBe(true);
  });

  test('a damaged index is an empty one, and files can still be listed and deleted', async () => {
    await store.save(expected('https://x/a'), chunksOf(content));
    const index = await root.getFileHandle('index.json');
    for (const text of ['{"urls":{"a":{"sha', '[]', '{"urls":{"https://x/a":{"sha256":3}}}']) {
      index.bytes = new TextEncoder().encode(text);
      expect(await store.find('https://x/a')).toBeNull();
      expect(await store.list()).toEqual([{ sha256: hash, bytes: 3_000_000, urls: [], lastUsed: 0 }]);
    }
    expect((await store.read(hash, 'name', 3_000_000))?.size).toBe(3_000_000);
    await store.delete(hash);
    expect(await store.list()).toEqual([]);
  });

  test('partial files are removed when they are old, and not when they may be a running download', async () => {
    const partial = await root.getDirectoryHandle('partial');
    await partial.getFileHandle('running', { create: true });
    root.disk.now = Date.now() - 48 * 3600 * 1000;
    await partial.getFileHandle('left behind', { create: true });
    await ModelStore.open(root);
    expect(Object.keys(root.list())).toEqual(['partial/running']);
  });

  test('list, usage and delete', async () => {
    await store.save(expected('https://x/a'), chunksOf(content));
    await store.save(expected('https://x/b', { size: 10 }), chunksOf(content.subarray(0, 10)));
    expect(new Set((await store.list()).map(({ bytes }) => bytes))).toEqual(new Set([10, 3_000_000]));
    expect(await store.usage()).toEqual({ bytes: 3_000_010, available: null });
    await store.delete(hash);
    await store.delete(hash);
    await store.delete('nothing');
    expect((await store.list()).map(({ urls }) => urls)).toEqual([['https://x/b']]);
    expect(await store.find('https://x/a')).toBeNull();
  });

  test('the most recently used comes first', async () => {
    await store.save(expected('https://x/a'), chunksOf(content));
    await new Promise((resolve) => setTimeout(resolve, 5));
    await store.save(expected('https://x/b', { size: 10 }), chunksOf(content.subarray(0, 10)));
    expect((await store.list())[0]?.urls).toEqual(['https://x/b']);
    await new Promise((resolve) => setTimeout(resolve, 5));
    await store.note('https://x/a', { sha256: hash, size: content.length, version: 'v1' });
    expect((await store.list())[0]?.urls).toEqual(['https://x/a']);
  });
});

describe('locks', () => {
  test('changes of the index do not lose each other', async () => {
    const notes = Array.from({ length: 30 }, (_, i) =>
      store.note(`https://x/${i}`, { sha256: hash, size: 1, version: null }),
    );
    await Promise.all(notes);
    expect((await store.index.read()).size).toBe(30);
  });

  test('those of the browser are used where there are any', async () => {
    const asked: string[] = [];
    const locks: StoreLocks = {
      request: async (name, _, work) => {
        asked.push(name);
        return work();
      },
    };
    const locked = await ModelStore.open(root, locks);
    await locked.note('https://x/a', { sha256: hash, size: 1, version: null });
    expect(asked).toEqual(['webmla-store']);
  });
});

test('where there is no OPFS it is `storage`, and nothing is persistent', async () => {
  expect(await errorOf(storeDirectory())).toMatchObject({ code: 'storage' });
  expect(await requestPersistence()).toBe(false);
});

import { beforeEach, expect, test } from 'vitest';
import type { WebMlaError } from '../../../src/core/errors.ts';
import { openCheckpoint } from '../../../src/formats/open_checkpoint.ts';
import { openModelFiles } from '../../../src/formats/open_model_files.ts';
import { ModelStore } from '../../../src/formats/model_store.ts';
import type { FetchProgress } from '../../../src/formats/stored_http.ts';
import { sha256 } from '../../servers/hub_server.ts';
import { FakeDirectory } from './fake_opfs.ts';
import { bytesOf } from './memory_files.ts';
import { expectTiny, folder, gguf, quick, tinyHub } from './tiny_hub.ts';
import { tinyConfig } from './tiny_model.ts';
import { errorOf } from './typed_error.ts';

const hub = tinyHub();
const address = () => `${hub().url}/files/me/tiny`;
const offline: typeof fetch = () => Promise.reject(new TypeError('fetch failed'));

/** Hashes in the list of a repository are not those of the files. */
const lying: typeof fetch = async (input, init) => {
  const answer = await fetch(input, init);
  if (!answer.url.includes('/tree/')) return answer;
  const text = (await answer.text()).replaceAll(/"oid":"[0-9a-f]{64}"/g, `"oid":"${'0'.repeat(64)}"`);
  return new Response(text, { headers: { 'Content-Type': 'application/json' } });
};

let root: FakeDirectory;
let store: ModelStore;
beforeEach(async () => {
  root = new FakeDirectory();
  store = await ModelStore.open(root);
});

test('a model is downloaded once', async () => {
  const progress: FetchProgress[] = [];
  const onProgress = (step: FetchProgress): void => void progress.push(step);
  await expectTiny(address(), quick(hub(), { store, onProgress }));
  const weights = folder['model.safetensors']!.length;
  expect(progress.filter(({ item }) => item === 'model.safetensors').at(-1)).toEqual({
    item: 'model.safetensors',
    loaded: weights,
    total: weights,
    cached: false,
  });
  hub().sent.bytes = 0;
  progress.length = 0;
  await expectTiny(address(), quick(hub(), { store, onProgress }));
  // Three questions for one byte each, whether the files are still the same.
  expect(hub().sent.bytes).toBe(3);
  expect(progress.map(({ item, cached }) => [item, cached])).toEqual([
    ['config.json', true],
    ['model.safetensors', true],
    ['tokenizer.json', true],
  ]);
});

test('of the Hub, one request tells that nothing changed', async () => {
  await expectTiny('me/tiny', quick(hub(), { store }));
  hub().requests.length = 0;
  await expectTiny('me/tiny', quick(hub(), { store }));
  expect(hub().requests).toEqual(['GET /api/models/me/tiny/tree/main -']);
});

test('the same content from another address is not downloaded again when its hash is known', async () => {
  await expectTiny(`${hub().url}/files/me/tiny-GGUF/tiny.F32.gguf`, quick(hub(), { store }));
  hub().sent.bytes = 0;
  await expectTiny('me/one-GGUF', quick(hub(), { store }));
  expect(hub().sent.bytes).toBe(0);
  expect((await store.list()).map(({ sha256: hash, urls }) => [hash, urls.length])).toEqual([
    [sha256(gguf), 2],
  ]);
});

test('a file that changed on the server is downloaded again', async () => {
  await expectTiny(address(), quick(hub(), { store }));
  const other = bytesOf({ ...tinyConfig, max_position_embeddings: 128 });
  for (const place of [address(), 'me/tiny']) {
    hub().repositories['me/tiny']!['config.json'] = other;
    const { config } = await openCheckpoint(await openModelFiles(place, quick(hub(), { store })));
    expect(config.max_position_embeddings).toBe(128);
  }
});

test('without network the stored model is used', async () => {
  for (const place of [address(), 'me/tiny', 'me/tiny-GGUF/tiny.F32.gguf']) {
    expect(
      await errorOf(expectTiny(place, quick(hub(), { store, fetch: offline, retries: 1 }))),
    ).toMatchObject({
      code: 'network',
    });
    await expectTiny(place, quick(hub(), { store }));
    const name = await expectTiny(place, quick(hub(), { store, fetch: offline, retries: 1 }));
    expect(name).toMatch(/tokenizer$|gguf -$/);
  }
});

test('a server without ranges is read once, into the store', async () => {
  hub().faults = { ignoreRanges: true };
  await expectTiny(address(), quick(hub(), { store }));
  expect(hub().requests.filter((request) => request.includes('model.safetensors '))).toHaveLength(2);
});

test('two callers at once download once', async () => {
  await Promise.all([
    expectTiny(address(), quick(hub(), { store })),
    expectTiny(address(), quick(hub(), { store })),
  ]);
  expect(hub().requests.filter((request) => /model\.safetensors bytes=0-\d\d/.test(request))).toHaveLength(1);
});

test('a full disk: told, and read from the server as if there were no store', async () => {
  root.disk.quota = 5000;
  const errors: WebMlaError[] = [];
  await expectTiny(address(), quick(hub(), { store, onStoreError: (error) => errors.push(error) }));
  expect(errors.map(({ code }) => code)).toContain('storage');
  expect(Object.keys(root.list()).filter((path) => path.startsWith('partial/'))).toEqual([]);
});

test('a download that is cut for good leaves nothing and says so', async () => {
  hub().faults = { cutAfter: 2000 };
  expect(await errorOf(expectTiny(address(), quick(hub(), { store })))).toMatchObject({ code: 'network' });
  expect(Object.keys(root.list()).filter((path) => path.startsWith('partial/'))).toEqual([]);
  hub().faults = {};
  await expectTiny(address(), quick(hub(), { store }));
});

test('cancelled while it downloads', async () => {
  const controller = new AbortController();
  const onProgress = ({ item }: FetchProgress): void => {
    if (item === 'model.safetensors') controller.abort();
  };
  const error = await errorOf(
    expectTiny(address(), quick(hub(), { store, onProgress, signal: controller.signal })),
  );
  expect(error.code).toBe('aborted');
  expect(Object.keys(root.list()).filter((path) => path.startsWith('partial/'))).toEqual([]);
});

test('a download whose hash is not that of the list is refused', async () => {
  const error = await errorOf(expectTiny('me/tiny', quick(hub(), { store, fetch: lying })));
  expect([error.code, error.message]).toEqual([
    'network',
    expect.stringContaining(`SHA-256 ${'0'.repeat(64)}`),
  ]);
});

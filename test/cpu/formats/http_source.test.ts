import { afterAll, beforeAll, beforeEach, describe, expect, test } from 'vitest';
import { randomStream } from '../../../src/core/rng.ts';
import { openHttp } from '../../../src/formats/http_source.ts';
import type { HttpOptions } from '../../../src/formats/http_answer.ts';
import { sha256, startHub } from '../../servers/hub_server.ts';
import type { HubServer } from '../../servers/hub_server.ts';
import { errorOf } from './typed_error.ts';

const content = Uint8Array.from({ length: 400_000 }, randomBytes(1));
const small = Uint8Array.from({ length: 300 }, randomBytes(2));
/** Short waits: the tests must not take the time that users are given. */
const quick: HttpOptions = { retryDelayMs: 5, idleMs: 300 };

function randomBytes(seed: number): () => number {
  const random = randomStream(seed);
  return () => Math.floor(256 * random());
}

const never: typeof fetch = () => new Promise<Response>(() => undefined);

let hub: HubServer;
let file: string;
beforeAll(async () => {
  hub = await startHub({ 'me/model': { 'a.bin': content, 'small.json': small, empty: new Uint8Array(0) } });
  file = `${hub.url}/files/me/model/a.bin`;
});
afterAll(() => hub.close());
beforeEach(() => {
  hub.faults = {};
  hub.requests.length = 0;
  hub.sent.bytes = 0;
});

/** toEqual takes a second for so many. */
function expectBytes(got: Uint8Array, expected: Uint8Array): void {
  expect(got.length).toBe(expected.length);
  expect(got.findIndex((byte, i) => byte !== expected[i])).toBe(-1);
}

async function download(url: string, options: HttpOptions = quick): Promise<Uint8Array> {
  const source = await openHttp(url, options);
  const chunks: Uint8Array<ArrayBuffer>[] = [];
  for await (const chunk of source.download()) chunks.push(chunk);
  return new Uint8Array(await new Blob(chunks).arrayBuffer());
}

describe('a sound server', () => {
  test('size, version and ranges', async () => {
    const source = await openHttp(file, quick);
    expect(source.size).toBe(content.length);
    expect(source.version).toMatch(/^[0-9a-f]{40}$/);
    expect(source.ranged).toBe(true);
    expectBytes(await source.read(100_000, 200_000), content.slice(100_000, 300_000));
    expectBytes(await source.read(399_999, 1), content.slice(399_999));
    expect(await source.read(400_000, 0)).toEqual(new Uint8Array(0));
    expect(hub.requests[0]).toBe('GET /files/me/model/a.bin bytes=0-0');
  });

  test('neighbouring small reads are one request', async () => {
    const source = await openHttp(file, quick);
    for (let i = 0; i < 50; i++)
      expectBytes(await source.read(1000 + 8 * i, 8), content.slice(1000 + 8 * i, 1008 + 8 * i));
    expect(hub.requests.length).toBe(2);
  });

  test('redirects of the Hub are followed', async () => {
    const source = await openHttp(`${hub.url}/me/model/resolve/main/a.bin`, quick);
    expect(source.size).toBe(content.length);
    expectBytes(await source.read(7, 70_000), content.slice(7, 70_007));
  });

  test('X-Linked-ETag of an answer without redirect is the sha256', async () => {
    const sha = sha256(content);
    const linked: typeof fetch = async () =>
      new Response('x', {
        status: 206,
        headers: {
          'X-Linked-ETag': `"${sha}"`,
          'X-Linked-Size': '400000',
          'Content-Range': 'bytes 0-0/400000',
        },
      });
    const source = await openHttp(`${hub.url}/x`, { ...quick, fetch: linked });
    expect([source.size, source.version, source.sha256]).toEqual([400_000, sha, sha]);
  });

  test('reading beyond the end is bad_file and asks nothing', async () => {
    const source = await openHttp(file, quick);
    const asked = hub.requests.length;
    expect(await errorOf(source.read(399_999, 2))).toMatchObject({ code: 'bad_file' });
    expect(await errorOf(source.read(-1, 2))).toMatchObject({ code: 'bad_file' });
    expect(hub.requests.length).toBe(asked);
  });

  test('an empty file', async () => {
    hub.repositories['me/model']!['empty'] = new Uint8Array(0);
    expect(await download(`${hub.url}/files/me/model/empty`)).toEqual(new Uint8Array(0));
  });

  test('download in pieces, with progress', async () => {
    const source = await openHttp(file, quick);
    const seen: number[] = [];
    let bytes = 0;
    for await (const chunk of source.download({ onProgress: (loaded) => seen.push(loaded) }))
      bytes += chunk.length;
    expect(bytes).toBe(content.length);
    expect(seen.at(-1)).toBe(content.length);
    expect(seen).toEqual(seen.toSorted((a, b) => a - b));
  });

  test('leaving the loop early ends the connection', async () => {
    const source = await openHttp(file, quick);
    for await (const chunk of source.download()) {
      expect(chunk.length).toBeGreaterThan(0);
      break;
    }
    expectBytes(await source.read(0, 10), content.slice(0, 10));
  });

  test('headers are sent', async () => {
    hub.faults = { token: 'hf_secret' };
    const options = { ...quick, headers: { Authorization: 'Bearer hf_secret' } };
    expectBytes(await download(`${hub.url}/me/model/resolve/main/a.bin`, options), content);
  });
});

describe('a server that has no ranges', () => {
  test('is read once, into memory', async () => {
    hub.faults = { ignoreRanges: true };
    const source = await openHttp(file, quick);
    expect(source.ranged).toBe(false);
    const [a, b] = await Promise.all([source.read(5, 100_000), source.read(200_000, 10)]);
    expectBytes(a, content.slice(5, 100_005));
    expect(b).toEqual(content.slice(200_000, 200_010));
    expectBytes(await source.read(0, content.length), content);
    expect(hub.requests.length).toBe(2);
  });

  test('is taken up after a cut by leaving out what came before', async () => {
    hub.faults = { ignoreRanges: true, cutAfter: 150_000, cuts: 2 };
    const source = await openHttp(file, quick);
    expectBytes(await source.read(0, content.length), content);
  });

  test('and does not say its length', async () => {
    hub.faults = { ignoreRanges: true, chunked: true };
    expectBytes(await download(file), content);
    expect(hub.requests.length).toBe(1);
  });

  test('turns off ranges after it was opened', async () => {
    const source = await openHttp(file, quick);
    hub.faults = { ignoreRanges: true };
    expectBytes(await source.read(100_000, 100_000), content.slice(100_000, 200_000));
    expectBytes(await source.read(300_000, 100_000), content.slice(300_000));
    expectBytes(await source.read(1, 100_000), content.slice(1, 100_001));
    expect(hub.requests.length).toBe(3);
  });

  test('a waiting read can be aborted', async () => {
    hub.faults = { ignoreRanges: true };
    const source = await openHttp(file, { ...quick, idleMs: 3000 });
    hub.faults = { ignoreRanges: true, hangAfter: 10, hangs: 1 };
    const controller = new AbortController();
    const reading = errorOf(source.read(0, 10, controller.signal));
    controller.abort();
    expect(await reading).toMatchObject({ code: 'aborted' });
  });
});

test('a server whose Content-Range and ETag cannot be seen (CORS)', async () => {
  hub.faults = { hideHeaders: true };
  const source = await openHttp(file, quick);
  expect(source.size).toBe(content.length);
  expect(source.version).toBeNull();
  expectBytes(await source.read(100, 100_000), content.slice(100, 100_100));
});

describe('trouble that passes', () => {
  test('a connection that is cut is taken up where it broke', async () => {
    const source = await openHttp(file, quick);
    hub.faults = { cutAfter: 90_000 };
    expectBytes(await source.read(1000, 380_000), content.slice(1000, 381_000));
    expect(hub.requests.slice(1)).toEqual([
      'GET /files/me/model/a.bin bytes=1000-380999',
      'GET /files/me/model/a.bin bytes=91000-380999',
      'GET /files/me/model/a.bin bytes=181000-380999',
      'GET /files/me/model/a.bin bytes=271000-380999',
      'GET /files/me/model/a.bin bytes=361000-380999',
    ]);
    expect(hub.sent.bytes).toBe(1 + 380_000);
  });

  test('through the redirect as well', async () => {
    hub.faults = { cutAfter: 150_000 };
    expectBytes(await download(`${hub.url}/me/model/resolve/main/a.bin`), content);
  });

  test('503 and 429 are waited out', async () => {
    hub.faults = { status: 503, statuses: 3 };
    expectBytes(await download(file), content);
    hub.faults = { status: 429, statuses: 1, retryAfter: '0.2' };
    const start = performance.now();
    expect((await openHttp(file, quick)).size).toBe(content.length);
    expect(performance.now() - start).toBeGreaterThan(150);
  });

  test('one silence is forgiven', async () => {
    hub.faults = { hangAfter: 100_000, hangs: 1 };
    expectBytes(await download(file), content);
  });
});

describe('trouble that stays', () => {
  test('a server that answers nothing', async () => {
    const gone = await startHub({});
    const address = `${gone.url}/x`;
    await gone.close();
    const error = await errorOf(openHttp(address, quick));
    expect(error).toMatchObject({ code: 'network' });
    expect(error.message).toContain('ECONNREFUSED');
    expect(error.hint).not.toBe('');
  });

  test('a server that hangs is an error after the time it is given', async () => {
    const source = await openHttp(file, quick);
    hub.faults = { hangAfter: 1000 };
    const start = performance.now();
    const error = await errorOf(source.read(0, 300_000));
    expect(error).toMatchObject({ code: 'network' });
    expect(error.message).toContain('no bytes for 0.3 s');
    expect(performance.now() - start).toBeLessThan(2000);
  });

  test('a fetch that never answers and ignores its signal', async () => {
    expect(await errorOf(openHttp(file, { ...quick, idleMs: 50, fetch: never }))).toMatchObject({
      code: 'network',
    });
  });

  test('a server that cuts every few bytes', async () => {
    const source = await openHttp(file, quick);
    hub.faults = { cutAfter: 1000 };
    expect(await errorOf(source.read(0, 300_000))).toMatchObject({ code: 'network' });
    expect(hub.requests.length).toBeLessThan(10);
  });

  test('503 for ever', async () => {
    hub.faults = { status: 503 };
    const error = await errorOf(openHttp(file, { ...quick, retries: 2 }));
    expect(error).toMatchObject({ code: 'network', details: { status: 503 } });
    expect(hub.requests.length).toBe(3);
  });

  test('404, a page instead of a file, a gated file', async () => {
    expect(await errorOf(openHttp(`${hub.url}/files/me/model/b.bin`, quick))).toMatchObject({
      code: 'missing_file',
    });
    hub.faults = { pages: true };
    expect(await errorOf(openHttp(`${hub.url}/files/me/model/b.bin`, quick))).toMatchObject({
      code: 'missing_file',
    });
    hub.faults = { token: 'hf_x' };
    const gated = await errorOf(openHttp(`${hub.url}/me/model/resolve/main/a.bin`, quick));
    expect(gated).toMatchObject({ code: 'network' });
    expect(gated.message).toContain('restricted');
    expect(gated.hint).toContain('accessToken');
  });

  test('a file that changes while it is read', async () => {
    const source = await openHttp(file, quick);
    hub.faults = { etag: 'other' };
    const error = await errorOf(source.read(100_000, 100_000));
    expect(error).toMatchObject({ code: 'network' });
    expect(error.message).toContain('version other instead of');
    hub.faults = { hideHeaders: true, ignoreRanges: true };
    hub.repositories['me/model']!['a.bin'] = content.slice(0, 350_000);
    expect((await errorOf(source.read(100_000, 200_000))).message).toContain(
      '350000 bytes instead of 400000',
    );
    hub.repositories['me/model']!['a.bin'] = content.slice(0, 50_000);
    hub.faults = {};
    expect((await errorOf(source.read(100_000, 200_000))).message).toContain('an end before byte');
    hub.repositories['me/model']!['a.bin'] = content;
  });

  test('a server that sends another range', async () => {
    const source = await openHttp(file, quick);
    hub.faults = { shiftRange: 3 };
    const error = await errorOf(source.read(100_000, 100_000));
    expect(error).toMatchObject({ code: 'network' });
    expect(error.message).toContain('expected the bytes 100000 to 199999');
  });
});

describe('abort', () => {
  test('before, while opening, while reading, while waiting for another try', async () => {
    const done = AbortSignal.abort();
    expect(await errorOf(openHttp(file, { ...quick, signal: done }))).toMatchObject({ code: 'aborted' });

    const source = await openHttp(file, { ...quick, idleMs: 5000 });
    hub.faults = { hangAfter: 1000 };
    let controller = new AbortController();
    setTimeout(() => controller.abort(), 50);
    expect(await errorOf(source.read(0, 300_000, controller.signal))).toMatchObject({ code: 'aborted' });

    hub.faults = { status: 503 };
    controller = new AbortController();
    setTimeout(() => controller.abort(), 50);
    const options = { retryDelayMs: 5000, signal: controller.signal };
    const start = performance.now();
    expect(await errorOf(openHttp(file, options))).toMatchObject({ code: 'aborted' });
    expect(performance.now() - start).toBeLessThan(1000);
  });

  test('of a download ends the loop with an error', async () => {
    const controller = new AbortController();
    const source = await openHttp(file, { ...quick, signal: controller.signal });
    const reading = (async () => {
      for await (const chunk of source.download()) if (chunk.length > 0) controller.abort();
    })();
    expect(await errorOf(reading)).toMatchObject({ code: 'aborted' });
  });
});

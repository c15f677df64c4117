import { describe, expect, test } from 'vitest';
import { parseHubId, parseHubPage } from '../../../src/formats/hub_files.ts';
import { openModelFiles } from '../../../src/formats/open_model_files.ts';
import { startHub } from '../../servers/hub_server.ts';
import { FakeDirectory } from './fake_opfs.ts';
import { bytesOf } from './memory_files.ts';
import { expectTiny, folder, gguf, quick, tinyHub } from './tiny_hub.ts';
import { errorOf } from './typed_error.ts';

const hub = tinyHub();

/** A server that says 403 instead of 404, as S3 does to those who may not list. */
const forbidding: typeof fetch = async (input, init) => {
  const answer = await fetch(input, init);
  return answer.status === 404 ? new Response('denied', { status: 403 }) : answer;
};

const parts = (text: string) => Object.values(parseHubId(text) ?? {});
const page = (url: string) => parseHubPage(new URL(url));

/** A File as an input element gives it. */
function file(name: string, bytes: Uint8Array<ArrayBuffer>, path = ''): File {
  return Object.defineProperty(new File([bytes], name), 'webkitRelativePath', { value: path });
}

describe('addresses', () => {
  test('of a folder, with and without slash', async () => {
    expect(await expectTiny(`${hub().url}/files/me/tiny`, quick(hub()))).toBe('tiny safetensors tokenizer');
    expect(await expectTiny(new URL(`${hub().url}/files/me/tiny/`), quick(hub()))).toBe(
      'tiny safetensors tokenizer',
    );
  });

  test('of a .gguf: nothing else is asked for', async () => {
    expect(await expectTiny(`${hub().url}/files/me/one-GGUF/tiny.gguf?download=true`, quick(hub()))).toBe(
      'tiny.gguf gguf -',
    );
    expect(hub().requests.every((request) => request.includes('tiny.gguf'))).toBe(true);
  });

  test('of a .safetensors beside its config.json', async () => {
    hub().repositories['me/tiny']!['other name.safetensors'] = folder['model.safetensors']!;
    const address = `${hub().url}/files/me/tiny/other%20name.safetensors`;
    expect(await expectTiny(address, quick(hub()))).toBe('other name.safetensors safetensors tokenizer');
  });

  test('a server that answers with its page what it does not have', async () => {
    hub().faults = { pages: true };
    expect(await expectTiny(`${hub().url}/files/me/tiny`, quick(hub()))).toBe('tiny safetensors tokenizer');
    const error = await errorOf(expectTiny(`${hub().url}/files/me/nothing`, quick(hub())));
    expect([error.code, error.message]).toEqual([
      'missing_file',
      'nothing: expected config.json, got no such file',
    ]);
  });

  test('a store that answers 403 for what does not exist', async () => {
    expect(await expectTiny(`${hub().url}/files/me/tiny`, quick(hub(), { fetch: forbidding }))).toBe(
      'tiny safetensors tokenizer',
    );
    const error = await errorOf(
      expectTiny(`${hub().url}/files/me/nothing`, quick(hub(), { fetch: forbidding })),
    );
    expect([error.code, error.details['status']]).toEqual(['network', 403]);
  });

  test('that are not well-formed', async () => {
    const error = await errorOf(expectTiny(`${hub().url}/files/%E0%A4%A`, quick(hub())));
    expect(error.code).toBe('missing_file');
  });

  test('a server that fails in between', async () => {
    hub().faults = { status: 503, statuses: 2 };
    expect(await expectTiny(`${hub().url}/files/me/tiny`, quick(hub()))).toBe('tiny safetensors tokenizer');
  });

  test.each([
    '',
    'tiny',
    'a/b/c',
    './models/tiny',
    '/models/tiny',
    'ftp://x/y',
    'https://',
    'a b/c',
    'a/../b',
    '../a',
  ])('what is none: %j', async (address) => {
    const error = await errorOf(openModelFiles(address, quick(hub())));
    expect(error.code).toBe('bad_request');
    expect(error.hint).not.toBe('');
  });
});

describe('ids of the Hub', () => {
  test('owner/name', async () => {
    expect(await expectTiny('me/tiny', quick(hub()))).toBe('me/tiny safetensors tokenizer');
    expect(hub().requests[0]).toBe('GET /api/models/me/tiny/tree/main -');
  });

  test('owner/name@revision', async () => {
    expect(await expectTiny('me/tiny@0123456789abcdef0123456789abcdef01234567', quick(hub()))).toBe(
      'me/tiny safetensors tokenizer',
    );
    expect(await errorOf(expectTiny('me/tiny@refs/pr/1', quick(hub())))).toMatchObject({
      code: 'missing_file',
    });
    expect(hub().requests.at(-1)).toBe('GET /api/models/me/tiny/tree/refs/pr/1 -');
  });

  test('owner/name/file.gguf', async () => {
    expect(await expectTiny('me/tiny-GGUF/tiny.Q8_0.gguf', quick(hub()))).toBe('tiny.Q8_0.gguf gguf -');
    expect(await expectTiny('me/tiny-GGUF@main/tiny.F32.gguf', quick(hub()))).toBe('tiny.F32.gguf gguf -');
    expect(await errorOf(expectTiny('me/tiny-GGUF/other.gguf', quick(hub())))).toMatchObject({
      code: 'missing_file',
    });
  });

  test('a file in a folder, with what lies beside it', async () => {
    expect(await expectTiny('me/deep/f32/model.safetensors', quick(hub()))).toBe(
      'f32/model.safetensors safetensors -',
    );
    expect(await errorOf(expectTiny('me/deep/f32/no.safetensors', quick(hub())))).toMatchObject({
      code: 'missing_file',
    });
  });

  test('a repository with one GGUF, or with several', async () => {
    expect(await expectTiny('me/one-GGUF', quick(hub()))).toBe('me/one-GGUF gguf -');
    const error = await errorOf(expectTiny('me/tiny-GGUF', quick(hub())));
    expect([error.code, error.message]).toEqual([
      'bad_request',
      'me/tiny-GGUF: expected one GGUF, got 2: tiny.Q8_0.gguf, tiny.F32.gguf',
    ]);
  });

  test("addresses of the Hub's pages", async () => {
    expect(await expectTiny(`${hub().url}/me/tiny`, quick(hub()))).toBe('me/tiny safetensors tokenizer');
    expect(await expectTiny(`${hub().url}/me/tiny/tree/main`, quick(hub()))).toBe(
      'me/tiny safetensors tokenizer',
    );
    expect(await expectTiny(`${hub().url}/me/tiny-GGUF/blob/main/tiny.F32.gguf`, quick(hub()))).toBe(
      'tiny.F32.gguf gguf -',
    );
    expect(await expectTiny(`${hub().url}/me/tiny-GGUF/resolve/main/tiny.F32.gguf`, quick(hub()))).toBe(
      'tiny.F32.gguf gguf -',
    );
  });

  test('a repository that is not there, or gated', async () => {
    for (const id of ['me/nothing', 'me/nothing/x.gguf']) {
      const error = await errorOf(expectTiny(id, quick(hub())));
      expect(error.code).toBe('missing_file');
      expect(error.hint).toContain('accessToken');
    }
    hub().faults = { token: 'hf_secret' };
    expect(await errorOf(expectTiny('me/tiny', quick(hub())))).toMatchObject({ code: 'missing_file' });
    const withToken = { hub: { url: hub().url, accessToken: 'hf_secret' } };
    expect(await expectTiny('me/tiny', quick(hub(), withToken))).toBe('me/tiny safetensors tokenizer');
    const wrong = { hub: { url: hub().url, accessToken: 'secret' } };
    expect(await errorOf(expectTiny('me/tiny', quick(hub(), wrong)))).toMatchObject({ code: 'bad_request' });
  });

  test('a Hub that cannot be reached', async () => {
    const gone = await startHub({});
    const { url } = gone;
    await gone.close();
    const error = await errorOf(expectTiny('me/tiny', quick(hub(), { hub: { url }, retries: 1 })));
    expect([error.code, error.message]).toEqual(['network', expect.stringContaining('ECONNREFUSED')]);
  });

  test('cancelled', async () => {
    const signal = AbortSignal.abort();
    expect(await errorOf(openModelFiles('me/tiny', quick(hub(), { signal })))).toMatchObject({
      code: 'aborted',
    });
  });

  test('how they are read', () => {
    expect(parts('a/b')).toEqual(['a/b', 'main', null]);
    expect(parts('a/b@v1.0')).toEqual(['a/b', 'v1.0', null]);
    expect(parts('a/b@refs/pr/7')).toEqual(['a/b', 'refs/pr/7', null]);
    expect(parts('a/b/c.gguf')).toEqual(['a/b', 'main', 'c.gguf']);
    expect(parts('a/b@r/d/c (1).gguf')).toEqual(['a/b', 'r', 'd/c (1).gguf']);
    for (const text of ['a', 'a/b/c', 'a/b/c.bin', 'a//b', '/a/b', '.a/b', 'a/b@', 'a/b/'])
      expect(parts(text)).toEqual([]);
    expect(page('https://huggingface.co/a/b')).toEqual({ repository: 'a/b', revision: 'main', path: null });
    expect(page('https://huggingface.co/a/b/resolve/main/x.gguf')).toBeNull();
    expect(page('https://example.com/a/b')).toBeNull();
  });
});

describe('files and folders of the user', () => {
  test('one .gguf', async () => {
    expect(await expectTiny(file('tiny.gguf', gguf), quick(hub()))).toBe('tiny.gguf gguf -');
    expect(await expectTiny([file('tiny.gguf', gguf)], quick(hub()))).toBe('tiny.gguf gguf -');
  });

  test('the files of a folder', async () => {
    const files = Object.entries(folder).map(([name, bytes]) => file(name, bytes));
    expect(await expectTiny(files, quick(hub()))).toBe('chosen files safetensors tokenizer');
    const inFolder = Object.entries(folder).map(([name, bytes]) => file(name, bytes, `my model/${name}`));
    expect(await expectTiny(inFolder, quick(hub()))).toBe('my model safetensors tokenizer');
  });

  test('a FileList', async () => {
    const files = Object.entries(folder).map(([name, bytes]) => file(name, bytes));
    const list: FileList = Object.assign(files, { item: (i: number) => files[i] ?? null });
    expect(await expectTiny(list, quick(hub()))).toBe('chosen files safetensors tokenizer');
  });

  test('that cannot be read any more', async () => {
    const directory = new FakeDirectory('gone');
    directory.entries = () => {
      throw new DOMException('no leave', 'NotAllowedError');
    };
    expect(await errorOf(openModelFiles(directory))).toMatchObject({ code: 'bad_file' });
    const sound = new FakeDirectory('tiny');
    const handle = await sound.getFileHandle('tiny.gguf', { create: true });
    handle.bytes = gguf;
    const files = await openModelFiles(sound);
    await sound.removeEntry('tiny.gguf');
    expect(await errorOf(files.open('tiny.gguf'))).toMatchObject({ code: 'bad_file' });
    expect(await files.open('other.gguf')).toBeNull();
  });

  test('none, or several models', async () => {
    expect(await errorOf(openModelFiles([]))).toMatchObject({ code: 'bad_request' });
    expect(await errorOf(openModelFiles([file('a.gguf', gguf), file('b.gguf', gguf)]))).toMatchObject({
      code: 'bad_request',
    });
    expect(await errorOf(expectTiny(file('notes.txt', bytesOf('hello')), quick(hub())))).toMatchObject({
      code: 'missing_file',
    });
  });

  test('handles', async () => {
    const directory = new FakeDirectory('tiny model');
    for (const [name, bytes] of Object.entries(folder)) {
      (await directory.getFileHandle(name, { create: true })).bytes = bytes;
    }
    await (
      await directory.getDirectoryHandle('.git', { create: true })
    ).getFileHandle('x.gguf', { create: true });
    expect(await expectTiny(directory, quick(hub()))).toBe('tiny model safetensors tokenizer');
    const handle = await directory.getFileHandle('tiny.gguf', { create: true });
    handle.bytes = gguf;
    expect(await expectTiny(handle, quick(hub()))).toBe('tiny.gguf gguf -');
    expect(await expectTiny(directory, quick(hub()))).toBe('tiny model safetensors tokenizer');
  });
});

import { beforeEach, expect, test } from 'vitest';
import { KeptModels } from '../../../src/formats/kept_models.ts';
import { FakeDirectory } from './fake_opfs.ts';
import { errorOf } from './typed_error.ts';

let root: FakeDirectory;
let models: KeptModels;
beforeEach(async () => {
  root = new FakeDirectory();
  models = await KeptModels.open(root);
});

const file = (name: string, bytes: number): { name: string; data: Blob } => ({
  name,
  data: new Blob([new Uint8Array(bytes)]),
});
const MODEL = [file('model.safetensors', 1000), file('config.json', 20)];

test('a model is kept, found and deleted', async () => {
  await models.save('small', MODEL);
  expect(await models.list()).toEqual([{ name: 'small', bytes: 1020 }]);
  expect((await models.folder('small')).name).toBe('small');
  await models.delete('small');
  await models.delete('small');
  expect(await models.list()).toEqual([]);
  expect(await errorOf(models.folder('small'))).toMatchObject({ code: 'missing_file' });
});

test('one of the same name takes its place, files and all', async () => {
  await models.save('small', [file('tokenizer.json', 5), ...MODEL]);
  await models.save('small', MODEL);
  expect(root.list()).toEqual({ 'made/small/model.safetensors': 1000, 'made/small/config.json': 20 });
});

test('a full disk gives a typed error, and leaves nothing that is taken for a model', async () => {
  root.disk.quota = 500;
  expect(await errorOf(models.save('large', MODEL))).toMatchObject({
    code: 'storage',
    details: { bytes: 1020 },
  });
  expect(root.list()).toEqual({});
  expect(await models.list()).toEqual([]);
});

test('what a closed tab left behind is no model, and goes when the next one is saved', async () => {
  const made = await root.getDirectoryHandle('made');
  const broken = await made.getDirectoryHandle('broken', { create: true });
  await broken.getFileHandle('model.safetensors', { create: true });
  // A file that was opened and not closed is empty.
  await broken.getFileHandle('config.json', { create: true });
  expect(await models.list()).toEqual([]);
  expect(await errorOf(models.folder('broken'))).toMatchObject({ code: 'missing_file' });
  await models.save('small', MODEL);
  expect(Object.keys(root.list())).toEqual(['made/small/model.safetensors', 'made/small/config.json']);
});

test('cancelled on the way, nothing is left', async () => {
  expect(await errorOf(models.save('small', MODEL, AbortSignal.abort()))).toMatchObject({ code: 'aborted' });
  expect(await models.list()).toEqual([]);
});

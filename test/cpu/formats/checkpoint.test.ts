import { describe, expect, test } from 'vitest';
import { unpack } from '../../../src/core/packed.ts';
import { quantize } from '../../../src/core/quantize.ts';
import { parameterCount } from '../../../src/formats/checkpoint.ts';
import { openCheckpoint } from '../../../src/formats/open_checkpoint.ts';
import type { Checkpoint } from '../../../src/formats/checkpoint.ts';
import { packedCheckpointTensors } from '../../../src/formats/packed_checkpoint.ts';
import { writeSafetensors } from '../../../src/formats/safetensors_writer.ts';
import type { TensorToWrite } from '../../../src/formats/safetensors_writer.ts';
import { readFloats, readPacked } from '../../../src/formats/tensor_data.ts';
import { memoryFiles } from './memory_files.ts';
import { tinyConfig, tinyTensors, tinyTokenizer } from './tiny_model.ts';
import { errorOf } from './typed_error.ts';

const EMBEDDING = 'model.embed_tokens.weight';
const open = (contents: Parameters<typeof memoryFiles>[0]) => openCheckpoint(memoryFiles(contents));
const openTensors = (tensors: readonly TensorToWrite[], config: object = tinyConfig) =>
  open({ 'config.json': config, 'model.safetensors': writeSafetensors(tensors) });
const renamed = (rename: (name: string) => string) =>
  tinyTensors.map((tensor) => ({ ...tensor, name: rename(tensor.name) }));

async function expectTiny(checkpoint: Checkpoint): Promise<void> {
  for (const { name, shape, data } of tinyTensors) {
    const entry = checkpoint.tensors.get(name);
    expect(entry, name).toBeDefined();
    expect(await readFloats(entry!, shape)).toEqual(new Float32Array(data.buffer));
  }
}

test('a folder in Hugging Face layout', async () => {
  const checkpoint = await open({
    'config.json': tinyConfig,
    'generation_config.json': { temperature: 0.7, eos_token_id: [2, 3] },
    'model.safetensors': writeSafetensors(tinyTensors),
    'tokenizer.json': tinyTokenizer,
    'tokenizer_config.json': { chat_template: '{{ messages }}' },
  });
  expect(checkpoint).toMatchObject({
    name: 'model',
    kind: 'safetensors',
    rawConfig: tinyConfig,
    generation: { temperature: 0.7, eos_token_id: [2, 3] },
    tokenizerFiles: { tokenizerJson: tinyTokenizer, tokenizerConfig: { chat_template: '{{ messages }}' } },
    ggufMetadata: null,
  });
  expect(checkpoint.config).toMatchObject({ head_dim: 8, eos_token_id: [2], tie_word_embeddings: true });
  expect(parameterCount(checkpoint)).toBe(320 + 32 + 1024 + 32 + 512 + 16 + 512 + 1024 + 32 + 3 * 2048 + 32);
  expect([...checkpoint.tensors.keys()].toSorted()).toEqual(tinyTensors.map(({ name }) => name).toSorted());
  await expectTiny(checkpoint);
});

describe('what may be missing', () => {
  test('tokenizer and generation files', async () => {
    const checkpoint = await openTensors(tinyTensors);
    expect([checkpoint.tokenizerFiles, checkpoint.generation]).toEqual([null, {}]);
  });

  test('tokenizer_config.json; the template in a file of its own', async () => {
    const base = {
      'config.json': tinyConfig,
      'model.safetensors': writeSafetensors(tinyTensors),
      'tokenizer.json': tinyTokenizer,
    };
    const configOf = async (more: Record<string, string | object>) =>
      (await open({ ...base, ...more })).tokenizerFiles?.tokenizerConfig;
    expect(await configOf({})).toEqual({});
    expect(await configOf({ 'chat_template.jinja': '{{ x }}' })).toEqual({ chat_template: '{{ x }}' });
    expect(await configOf({ 'chat_template.json': { chat_template: 'y' } })).toEqual({ chat_template: 'y' });
    const both = { 'tokenizer_config.json': { chat_template: 'mine' }, 'chat_template.jinja': 'other' };
    expect(await configOf(both)).toEqual({ chat_template: 'mine' });
  });

  test.each([
    ['config.json', {}, 'missing_file', 'expected config.json'],
    [
      'weights',
      { 'config.json': tinyConfig },
      'missing_file',
      'expected model.safetensors or model.safetensors.index.json',
    ],
    [
      'JSON',
      { 'config.json': '<!doctype html>' },
      'bad_file',
      'config.json: expected JSON, got text that begins "<!doctype',
    ],
    ['an object', { 'config.json': '[]' }, 'bad_file', 'config.json: expected a JSON object'],
    ['UTF-8', { 'config.json': Uint8Array.of(0xff, 0xfe) }, 'bad_file', 'config.json: expected UTF-8'],
  ] as const)('%s', async (_, contents, code, message) => {
    const error = await errorOf(open(contents));
    expect(error.code).toBe(code);
    expect(error.message).toContain(message);
  });
});

describe('tied embeddings', () => {
  const head: TensorToWrite = { ...tinyTensors[0]!, name: 'lm_head.weight' };
  const other: TensorToWrite = { ...head, data: tinyTensors[0]!.data.toReversed() };
  const untied = { ...tinyConfig, tie_word_embeddings: false };

  test('only lm_head.weight is stored (TinyStories-656K)', async () => {
    const checkpoint = await openTensors(renamed((name) => (name === EMBEDDING ? 'lm_head.weight' : name)));
    expect(checkpoint.config.tie_word_embeddings).toBe(true);
    expect(checkpoint.tensors.has('lm_head.weight')).toBe(false);
    expect(checkpoint.fileTensors.map(({ name }) => name)).toContain('lm_head.weight');
    await expectTiny(checkpoint);
  });

  test('both are stored and the same', async () => {
    const checkpoint = await openTensors([...tinyTensors, head]);
    expect(checkpoint.config.tie_word_embeddings).toBe(true);
    expect(checkpoint.tensors.has('lm_head.weight')).toBe(false);
  });

  test('both are stored and differ: both count, as in transformers 5', async () => {
    const checkpoint = await openTensors([...tinyTensors, other]);
    expect(checkpoint.config.tie_word_embeddings).toBe(false);
    expect(checkpoint.tensors.get('lm_head.weight')?.name).toBe('lm_head.weight');
  });

  test('not tied', async () => {
    const checkpoint = await openTensors([...tinyTensors, other], untied);
    expect(checkpoint.config.tie_word_embeddings).toBe(false);
    expect(checkpoint.tensors.has('lm_head.weight')).toBe(true);
    // Without its head the model is not complete, and nobody makes one up.
    expect((await openTensors(tinyTensors, untied)).config.tie_word_embeddings).toBe(false);
  });
});

describe('prefixes', () => {
  test('none, as of a model without head', async () => {
    const checkpoint = await openTensors(renamed((name) => name.replace('model.', '')));
    await expectTiny(checkpoint);
    expect(checkpoint.tensors.size).toBe(tinyTensors.length);
  });

  test("a wrapper's, with its head", async () => {
    const tensors = [...tinyTensors, { ...tinyTensors[0]!, name: 'lm_head.weight' }];
    const wrapped = tensors.map((tensor) => ({ ...tensor, name: `_orig_mod.${tensor.name}` }));
    const checkpoint = await openTensors(wrapped, { ...tinyConfig, tie_word_embeddings: false });
    await expectTiny(checkpoint);
    expect(checkpoint.tensors.has('lm_head.weight')).toBe(true);
  });

  test('two names that become one', async () => {
    const wrapped = renamed((name) => `_orig_mod.${name}`);
    const error = await errorOf(openTensors([...wrapped, { ...tinyTensors[0]!, name: EMBEDDING }]));
    expect([error.code, error.message]).toEqual(['bad_file', expect.stringContaining('got two')]);
  });
});

describe('shards', () => {
  const [one, two] = [tinyTensors.slice(0, 5), tinyTensors.slice(5)];
  const files = {
    'config.json': tinyConfig,
    'model-00001-of-00002.safetensors': writeSafetensors(one),
    'model-00002-of-00002.safetensors': writeSafetensors([
      ...two,
      { name: 'not in the index', dtype: 'U8', shape: [1], data: Uint8Array.of(1) },
    ]),
  };
  const weight_map = Object.fromEntries([
    ...one.map(({ name }) => [name, 'model-00001-of-00002.safetensors'] as const),
    ...two.map(({ name }) => [name, 'model-00002-of-00002.safetensors'] as const),
  ]);
  const withIndex = (index: object) => open({ ...files, 'model.safetensors.index.json': index });

  test('are one model', async () => {
    const checkpoint = await withIndex({ metadata: { total_size: 1 }, weight_map });
    await expectTiny(checkpoint);
    expect(checkpoint.tensors.size).toBe(tinyTensors.length);
  });

  test.each([
    ['no map', {}, 'bad_file', 'expected a weight_map'],
    [
      'a way up',
      { weight_map: { a: '../x.safetensors' } },
      'bad_file',
      'expected a file beside the index for a',
    ],
    [
      'an address',
      { weight_map: { a: 'https://x/y.safetensors' } },
      'bad_file',
      'expected a file beside the index',
    ],
    ['another file', { weight_map: { a: 'config.json' } }, 'bad_file', 'expected a file beside the index'],
    [
      'a shard that is not there',
      { weight_map: { a: 'model-3.safetensors' } },
      'missing_file',
      'the shard model-3.safetensors',
    ],
    [
      'a tensor that is not there',
      { weight_map: { a: 'model-00001-of-00002.safetensors' } },
      'bad_file',
      'expected a in model-00001',
    ],
  ] as const)('an index with %s', async (_, index, code, message) => {
    const error = await errorOf(withIndex(index));
    expect(error.code).toBe(code);
    expect(error.message).toContain(message);
  });
});

test("webmla's own quantised checkpoint", async () => {
  const name = 'model.layers.0.mlp.up_proj.weight';
  const { data } = tinyTensors.find((tensor) => tensor.name === name)!;
  const packed = quantize(new Float32Array(data.buffer), 64, 32, 'q4_1');
  const { tensors, metadata } = packedCheckpointTensors(new Map([[name, packed]]));
  const rest = tinyTensors.filter((tensor) => tensor.name !== name);
  const checkpoint = await open({
    'config.json': tinyConfig,
    'model.safetensors': writeSafetensors([...rest, ...tensors], metadata),
  });
  expect(checkpoint.tensors.get(name)).toMatchObject({ dtype: 'q4_1', shape: [64, 32] });
  expect(unpack(await readPacked(checkpoint.tensors.get(name)!, [64, 32], 'as-is'))).toEqual(unpack(packed));
  expect(parameterCount(checkpoint)).toBe(parameterCount(await openTensors(tinyTensors)));
});

test('a .safetensors of another name beside its config.json', async () => {
  const checkpoint = await open({
    'config.json': tinyConfig,
    'tiny.safetensors': writeSafetensors(tinyTensors),
  });
  await expectTiny(checkpoint);
});

test('an abort is an abort', async () => {
  const files = memoryFiles({ 'config.json': tinyConfig });
  expect(await errorOf(openCheckpoint(files, AbortSignal.abort()))).toMatchObject({ code: 'aborted' });
});

import { describe, expect, test } from 'vitest';
import type { ModelConfig, RopeScaling } from '../../../src/core/config.ts';
import { ropeFrequencies } from '../../../src/core/rope.ts';
import { openCheckpoint } from '../../../src/formats/open_checkpoint.ts';
import { parseConfig } from '../../../src/formats/hf_config.ts';
import { hfName } from '../../../src/formats/gguf_names.ts';
import { readFloats, readPacked } from '../../../src/formats/tensor_data.ts';
import { unpack } from '../../../src/core/packed.ts';
import { f32, text, u32, writeGguf } from './gguf_writer.ts';
import type { GgufField, GgufTensor } from './gguf_writer.ts';
import { f32Bytes, memoryFiles } from './memory_files.ts';
import { ggufFields, ggufTensor, tinyConfig, tinyTensors, tinyTokenizer } from './tiny_model.ts';
import { errorOf } from './typed_error.ts';

const open = (fields: Record<string, GgufField>, tensors: readonly GgufTensor[]) =>
  openCheckpoint(memoryFiles({ 'tiny.gguf': writeGguf(fields, tensors) }));
const llama = tinyTensors.map((tensor) => ggufTensor(tensor));

describe('a GGUF is the checkpoint it was made of', () => {
  test.each(['llama', 'qwen2'])('%s: configuration, names, row order', async (architecture) => {
    const tensors = tinyTensors.map((tensor) => ggufTensor(tensor, architecture));
    const checkpoint = await open(ggufFields(architecture), tensors);
    const names = { llama: 'LlamaForCausalLM', qwen2: 'Qwen2ForCausalLM' } as Record<string, string>;
    const raw = { ...tinyConfig, model_type: architecture, architectures: [names[architecture]] };
    expect(checkpoint.config).toEqual(parseConfig(raw, 'config.json'));
    expect(checkpoint).toMatchObject({
      kind: 'gguf',
      tokenizerFiles: null,
      generation: { eos_token_id: [2] },
    });
    expect(checkpoint.ggufMetadata?.['tokenizer.ggml.tokens']).toEqual(['a', 'b']);
    expect([...checkpoint.tensors.keys()].toSorted()).toEqual(tinyTensors.map(({ name }) => name).toSorted());
    for (const { name, shape, data } of tinyTensors) {
      const entry = checkpoint.tensors.get(name)!;
      const expected = new Float32Array(data.buffer);
      expect(await readFloats(entry, shape)).toEqual(expected);
      const [rows = 0, cols = 0] = shape;
      if (cols > 0) expect(unpack(await readPacked(entry, [rows, cols], 'as-is'))).toEqual(expected);
    }
  });

  test('with an output matrix of its own', async () => {
    const head = { ...llama[0]!, name: 'output.weight', data: llama[0]!.data.toReversed() };
    const checkpoint = await open(ggufFields(), [...llama, head]);
    expect(checkpoint.config.tie_word_embeddings).toBe(false);
    expect(checkpoint.tensors.get('lm_head.weight')?.name).toBe('output.weight');
  });

  test('with tokenizer and generation files beside it', async () => {
    const checkpoint = await openCheckpoint(
      memoryFiles({
        'tiny.gguf': writeGguf(ggufFields(), llama),
        'config.json': { model_type: 'something else' },
        'tokenizer.json': tinyTokenizer,
        'generation_config.json': { temperature: 0.5, eos_token_id: [2, 0] },
      }),
    );
    expect(checkpoint.kind).toBe('gguf');
    expect(checkpoint.tokenizerFiles?.tokenizerJson).toEqual(tinyTokenizer);
    expect(checkpoint.generation).toEqual({ temperature: 0.5, eos_token_id: [2, 0] });
    expect(checkpoint.config.model_type).toBe('llama');
  });

  test('in parts', async () => {
    const count = { 'split.count': { type: 'u16' as const, value: 2 } };
    const parts = {
      'tiny-00001-of-00002.gguf': writeGguf({ ...ggufFields(), ...count }, llama.slice(0, 4)),
      'tiny-00002-of-00002.gguf': writeGguf(count, llama.slice(4)),
    };
    const checkpoint = await openCheckpoint(memoryFiles(parts));
    expect(checkpoint.tensors.size).toBe(tinyTensors.length);
    const [first, second] = Object.entries(parts);
    const alone = await errorOf(openCheckpoint(memoryFiles(Object.fromEntries([first!]))));
    expect([alone.code, alone.message]).toEqual([
      'missing_file',
      'model: expected tiny-00002-of-00002.gguf, got no such file',
    ]);
    const other = await errorOf(openCheckpoint(memoryFiles({ 'other.gguf': first![1] })));
    expect(other.code).toBe('bad_request');
    const twice = { [first![0]]: first![1], [second![0]]: writeGguf(count, llama.slice(3)) };
    expect((await errorOf(openCheckpoint(memoryFiles(twice)))).message).toContain(
      'in one part, got it in two',
    );
  });
});

const configOf = async (
  more: Record<string, GgufField>,
  without: readonly string[] = [],
): Promise<ModelConfig> => {
  const fields = Object.entries({ ...ggufFields(), ...more }).filter(([key]) => !without.includes(key));
  return (await open(Object.fromEntries(fields), llama)).config;
};

const scalingOf = async (more: Record<string, GgufField>) => (await configOf(more)).rope_scaling;

describe('metadata', () => {
  test('defaults', async () => {
    const config = await configOf({}, [
      'llama.rope.freq_base',
      'llama.rope.dimension_count',
      'llama.attention.head_count_kv',
    ]);
    expect(config).toMatchObject({ rope_theta: 10_000, head_dim: 8, num_key_value_heads: 4 });
  });

  test('the key that is missing is named', async () => {
    for (const key of [
      'context_length',
      'embedding_length',
      'block_count',
      'feed_forward_length',
      'attention.head_count',
    ]) {
      const error = await errorOf(configOf({}, [`llama.${key}`]));
      expect([error.code, error.message]).toEqual([
        'bad_file',
        `model: llama.${key}: expected a positive whole number, got nothing`,
      ]);
    }
    expect((await errorOf(configOf({}, ['general.architecture']))).message).toContain(
      'general.architecture: expected',
    );
  });

  test('values of the wrong kind, as odd as they may be', async () => {
    const odd: readonly GgufField[] = [
      { type: 'u64', value: 2n ** 60n },
      { type: 'u64', value: [2n ** 60n] },
      { type: 'u32', value: Array<number>(1000).fill(1) },
      { type: 'string', value: 'x'.repeat(1000) },
      { type: 'f32', value: Number.NaN },
    ];
    for (const value of odd) {
      const error = await errorOf(configOf({ 'llama.block_count': value }));
      expect(error.code).toBe('bad_file');
      expect(error.message.length).toBeLessThan(200);
    }
    expect((await errorOf(configOf({}, ['llama.attention.layer_norm_rms_epsilon']))).message).toContain(
      'rms_epsilon',
    );
  });

  test('two tensors that become one', async () => {
    const twice = { ...llama[0]!, name: 'model.embed_tokens.weight' };
    expect((await errorOf(open(ggufFields(), [...llama, twice]))).message).toContain('got two');
  });

  test('end tokens: of sequence, turn and message', async () => {
    const more = { 'tokenizer.ggml.eot_token_id': u32(5), 'tokenizer.ggml.eom_token_id': u32(2) };
    const checkpoint = await open({ ...ggufFields(), ...more }, llama);
    expect(checkpoint.config.eos_token_id).toEqual([2, 5]);
    expect(checkpoint.generation).toEqual({ eos_token_id: [2, 5] });
  });

  test('recommended sampling', async () => {
    const more = {
      'general.sampling.temp': f32(0.5),
      'general.sampling.top_k': { type: 'i32' as const, value: 20 },
      'general.sampling.penalty_repeat': f32(1.25),
    };
    const checkpoint = await open({ ...ggufFields(), ...more }, llama);
    expect(checkpoint.generation).toEqual({
      eos_token_id: [2],
      temperature: 0.5,
      top_k: 20,
      repetition_penalty: 1.25,
    });
  });

  test('rope scaling', async () => {
    const [type, factor] = ['llama.rope.scaling.type', 'llama.rope.scaling.factor'];
    expect(await scalingOf({ [type]: text('none'), [factor]: f32(4) })).toEqual({ rope_type: 'default' });
    expect(await scalingOf({ [type]: text('linear'), [factor]: f32(4) })).toEqual({
      rope_type: 'linear',
      factor: 4,
    });
    expect(await scalingOf({ [factor]: f32(4) })).toEqual({ rope_type: 'linear', factor: 4 });
    expect(await scalingOf({ 'llama.rope.scale_linear': f32(2) })).toEqual({
      rope_type: 'linear',
      factor: 2,
    });
    const yarn = {
      [type]: text('yarn'),
      [factor]: f32(4),
      'llama.rope.scaling.original_context_length': u32(16),
      'llama.rope.scaling.attn_factor': f32(0.5),
    };
    expect(await scalingOf(yarn)).toEqual({
      rope_type: 'yarn',
      factor: 4,
      original_max_position_embeddings: 16,
      beta_fast: 32,
      beta_slow: 1,
      truncate: true,
      attention_factor: 0.5 * (0.1 * Math.log(4) + 1),
    });
    expect(await errorOf(scalingOf({ [type]: text('longrope') }))).toMatchObject({ code: 'unsupported' });
  });

  test('heads that are rotated in part, or have values of another size', async () => {
    const partial = await errorOf(configOf({ 'llama.rope.dimension_count': u32(4) }));
    expect([partial.code, partial.message]).toEqual([
      'unsupported',
      expect.stringContaining('partial_rotary_factor'),
    ]);
    expect(await errorOf(configOf({ 'llama.attention.value_length': u32(16) }))).toMatchObject({
      code: 'unsupported',
    });
  });

  test('other architectures can be inspected', async () => {
    const { config, tensors } = await open(
      { 'general.architecture': text('mamba'), 'mamba.embedding_length': u32(32) },
      [{ name: 'blk.0.ssm_a', type: 0, shape: [4], data: f32Bytes([1, 2, 3, 4]) }],
    );
    expect(config).toMatchObject({
      model_type: 'mamba',
      architecture: 'mamba',
      hidden_size: 32,
      num_hidden_layers: 0,
    });
    expect([...tensors.keys()]).toEqual(['blk.0.ssm_a']);
  });
});

/** generate_extra_tensors of convert_hf_to_gguf.py, written down anew. */
const factorsOf = (factor: number, low: number, high: number, original: number): number[] =>
  Array.from({ length: 32 }, (_, i) => {
    const wavelength = 2 * Math.PI * 5e5 ** ((2 * i) / 64);
    if (wavelength < original / high) return 1;
    if (wavelength > original / low) return factor;
    const smooth = (original / wavelength - low) / (high - low);
    return 1 / ((1 - smooth) / factor + smooth);
  });

describe('rope_freqs.weight', () => {
  const fields = {
    ...ggufFields(),
    'llama.embedding_length': u32(128),
    'llama.attention.head_count': u32(2),
    'llama.attention.head_count_kv': u32(2),
    'llama.rope.dimension_count': u32(64),
    'llama.rope.freq_base': f32(5e5),
  };
  const openWith = (factors: readonly number[], more: Record<string, GgufField> = {}) =>
    open({ ...fields, ...more }, [
      { name: 'rope_freqs.weight', type: 0, shape: [factors.length], data: f32Bytes(factors) },
    ]);
  const shape = { head_dim: 64, rope_theta: 5e5 };
  test.each([
    [8, 8192],
    [32, 8192],
    [4, 4096],
  ])('of a llama3 scaling by %i from %i become its parameters', async (factor, original) => {
    const { config, tensors } = await openWith(factorsOf(factor, 1, 4, original));
    const expected: RopeScaling = {
      rope_type: 'llama3',
      factor,
      low_freq_factor: 1,
      high_freq_factor: 4,
      original_max_position_embeddings: original,
    };
    expect(config.rope_scaling).toEqual(expected);
    expect(tensors.size).toBe(0);
    const plain = ropeFrequencies({ ...shape, rope_scaling: { rope_type: 'default' } });
    const scaled = ropeFrequencies({ ...shape, rope_scaling: config.rope_scaling });
    factorsOf(factor, 1, 4, original).forEach((divisor, i) => {
      expect(scaled[i]! * divisor).toBeCloseTo(plain[i]!, 6);
    });
  });

  test('that are all 1 say nothing', async () => {
    const checkpoint = await openWith(Array<number>(32).fill(1));
    expect(checkpoint.config.rope_scaling).toEqual({ rope_type: 'default' });
    expect(checkpoint.tensors.size).toBe(0);
  });

  test('of any other kind are refused, and never ignored', async () => {
    const long = await errorOf(openWith(Array.from({ length: 32 }, (_, i) => 1 + i / 10)));
    expect([long.code, long.message]).toEqual(['unsupported', expect.stringContaining('rope_freqs.weight')]);
    expect(await errorOf(openWith(factorsOf(8, 2, 4, 8192)))).toMatchObject({ code: 'unsupported' });
    expect(await errorOf(openWith(factorsOf(8, 1, 4, 8192).slice(1)))).toMatchObject({ code: 'bad_tensor' });
    expect(await errorOf(openWith([...factorsOf(8, 1, 4, 8192).slice(1), Number.NaN]))).toMatchObject({
      code: 'bad_tensor',
    });
    const both = { 'llama.rope.scaling.factor': f32(2) };
    expect((await errorOf(openWith(factorsOf(8, 1, 4, 8192), both))).message).toContain('got both (linear)');
  });
});

test('names that are not in the table stay', () => {
  expect(hfName('blk.12.attn_q.bias')).toBe('model.layers.12.self_attn.q_proj.bias');
  expect(hfName('token_embd.weight')).toBe('model.embed_tokens.weight');
  for (const name of [
    'blk.0.ffn_gate_exps.weight',
    'attn_q.weight',
    'blk.0.output.weight',
    'x',
    'constructor.weight',
  ]) {
    expect(hfName(name)).toBe(name);
  }
});

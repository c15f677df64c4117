import { describe, expect, test } from 'vitest';
import { WebMlaError } from '../../../src/core/errors.ts';
import { parseConfig, parseGenerationConfig } from '../../../src/formats/hf_config.ts';

const llama = {
  architectures: ['LlamaForCausalLM'],
  model_type: 'llama',
  hidden_size: 64,
  intermediate_size: 172,
  num_hidden_layers: 5,
  num_attention_heads: 8,
  num_key_value_heads: 4,
  vocab_size: 512,
  max_position_embeddings: 512,
  rms_norm_eps: 1e-5,
};
const parse = (changes: Record<string, unknown> = {}) => parseConfig({ ...llama, ...changes }, 'config.json');
const qwen2 = { model_type: 'qwen2', architectures: ['Qwen2ForCausalLM'] };

const scaling = (changes: Record<string, unknown>) => parse(changes).rope_scaling;
const window = (changes: Record<string, unknown>) => parse(changes).sliding_window;

function rope(changes: Record<string, unknown>) {
  const { rope_theta, rope_scaling } = parse(changes);
  return { rope_theta, ...rope_scaling };
}

/** Code and message of the error. */
function refusal(changes: Record<string, unknown>): readonly [string, string] {
  try {
    parse(changes);
  } catch (error) {
    if (error instanceof WebMlaError) return [error.code, error.message];
    throw error;
  }
  throw new Error('expected an error');
}

test('a plain Llama, with the defaults of transformers', () => {
  expect(parse()).toEqual({
    model_type: 'llama',
    architecture: 'LlamaForCausalLM',
    hidden_size: 64,
    intermediate_size: 172,
    num_hidden_layers: 5,
    num_attention_heads: 8,
    num_key_value_heads: 4,
    head_dim: 8,
    vocab_size: 512,
    max_position_embeddings: 512,
    rms_norm_eps: 1e-5,
    tie_word_embeddings: false,
    hidden_act: 'silu',
    rope_theta: 10_000,
    rope_scaling: { rope_type: 'default' },
    sliding_window: null,
    bos_token_id: null,
    eos_token_id: [],
  });
});

describe('fields', () => {
  test('head_dim: given, null, or of no whole number', () => {
    expect(parse({ head_dim: 16 }).head_dim).toBe(16);
    expect(parse({ head_dim: null }).head_dim).toBe(8);
    expect(refusal({ hidden_size: 66 })[1]).toContain(
      'num_attention_heads: expected a divisor of hidden_size 66',
    );
    expect(refusal({ head_dim: 7 })[1]).toContain('head_dim: expected an even number');
    expect(refusal({ num_key_value_heads: 3 })[1]).toContain('num_key_value_heads: expected a divisor');
    expect(parse({ num_key_value_heads: undefined }).num_key_value_heads).toBe(8);
  });

  test('end tokens: a number, a list, null, nonsense', () => {
    expect(parse({ eos_token_id: 2 }).eos_token_id).toEqual([2]);
    expect(parse({ eos_token_id: [2, 0] }).eos_token_id).toEqual([2, 0]);
    expect(parse({ eos_token_id: null }).eos_token_id).toEqual([]);
    expect(parse({ eos_token_id: [2, null, -1, '5', 1.5] }).eos_token_id).toEqual([2]);
    expect(parse({ bos_token_id: null }).bos_token_id).toBeNull();
    expect(parse({ bos_token_id: 0 }).bos_token_id).toBe(0);
  });

  test.each([
    'hidden_size',
    'intermediate_size',
    'num_hidden_layers',
    'num_attention_heads',
    'vocab_size',
    'max_position_embeddings',
  ])('%s must be there and make sense', (key) => {
    for (const value of [undefined, null, 0, -1, 1.5, '64', 2 ** 31, Number.NaN, [64]]) {
      const [code, message] = refusal({ [key]: value });
      expect(code).toBe('bad_file');
      expect(message).toContain(`config.json: ${key}: expected a positive whole number, got `);
    }
  });

  test('the type: from `architectures` when it is not there', () => {
    expect(parse({ model_type: undefined }).model_type).toBe('llama');
    expect(refusal({ model_type: undefined, architectures: undefined })[1]).toContain('model_type: expected');
  });
});

describe('rope', () => {
  const llama3 = {
    factor: 32,
    low_freq_factor: 1,
    high_freq_factor: 4,
    original_max_position_embeddings: 8192,
  };

  test('theta beside null, theta in rope_parameters (transformers 5)', () => {
    expect(rope({ rope_theta: 1e5, rope_scaling: null })).toEqual({ rope_theta: 1e5, rope_type: 'default' });
    const parameters = { rope_theta: 5e5, rope_type: 'default' };
    expect(rope({ rope_parameters: parameters })).toEqual(parameters);
    expect(rope({ rope_theta: 1e4, rope_parameters: parameters }).rope_theta).toBe(5e5);
  });

  test('linear, by its old name', () => {
    const expected = { rope_theta: 10_000, rope_type: 'linear', factor: 2 };
    expect(rope({ rope_scaling: { type: 'linear', factor: 2 } })).toEqual(expected);
    expect(rope({ rope_parameters: { rope_type: 'linear', factor: 2 } })).toEqual(expected);
  });

  test('dynamic: exact up to the context', () => {
    expect(rope({ rope_scaling: { type: 'dynamic', factor: 4 } })).toEqual({
      rope_theta: 10_000,
      rope_type: 'dynamic',
      factor: 4,
      original_max_position_embeddings: 512,
    });
  });

  test('llama3, in both places', () => {
    const expected = { rope_theta: 5e5, rope_type: 'llama3', ...llama3 };
    expect(rope({ rope_theta: 5e5, rope_scaling: { rope_type: 'llama3', ...llama3 } })).toEqual(expected);
    expect(rope({ rope_parameters: { rope_theta: 5e5, rope_type: 'llama3', ...llama3 } })).toEqual(expected);
    expect(refusal({ rope_scaling: { rope_type: 'llama3', ...llama3, factor: undefined } })).toEqual([
      'bad_file',
      'config.json: rope_parameters: factor: expected a positive number, got nothing',
    ]);
  });

  test('yarn: defaults, and the attention factor resolved as transformers does', () => {
    const yarn = { rope_type: 'yarn', factor: 4, original_max_position_embeddings: 128 };
    const resolved = {
      rope_theta: 10_000,
      ...yarn,
      beta_fast: 32,
      beta_slow: 1,
      truncate: true,
      attention_factor: 0.1 * Math.log(4) + 1,
    };
    expect(rope({ rope_scaling: yarn })).toEqual(resolved);
    const given = { ...yarn, attention_factor: 1.25, beta_fast: 16, beta_slow: 2, truncate: false };
    expect(rope({ rope_scaling: given })).toEqual({ rope_theta: 10_000, ...given });
    const factorOf = (more: Record<string, unknown>) =>
      parse({ rope_scaling: { ...yarn, ...more } }).rope_scaling;
    // DeepSeek-V3 has 1 and 1, V2-Lite .707 and .707.
    expect(factorOf({ mscale: 1, mscale_all_dim: 1 })).toMatchObject({ attention_factor: 1 });
    expect(factorOf({ mscale: 0.75, mscale_all_dim: 1 })).toMatchObject({
      attention_factor: (0.075 * Math.log(4) + 1) / (0.1 * Math.log(4) + 1),
    });
    // One alone, or 0, does not count.
    expect(factorOf({ mscale: 0.75 })).toMatchObject({ attention_factor: resolved.attention_factor });
    expect(factorOf({ mscale: 1, mscale_all_dim: 0 })).toMatchObject({
      attention_factor: resolved.attention_factor,
    });
    expect(factorOf({ factor: 0.5 })).toMatchObject({ attention_factor: 1 });
  });

  test('the original context: beside the parameters, in them, or the context', () => {
    const yarn = { rope_type: 'yarn', factor: 4 };
    expect(scaling({ rope_scaling: yarn })).toMatchObject({ original_max_position_embeddings: 512 });
    const inside = { ...yarn, original_max_position_embeddings: 128 };
    expect(scaling({ rope_scaling: inside })).toMatchObject({ original_max_position_embeddings: 128 });
    expect(scaling({ rope_scaling: inside, original_max_position_embeddings: 64 })).toMatchObject({
      original_max_position_embeddings: 64,
    });
  });

  test('parameters by layer type', () => {
    const layer_types = ['full_attention', 'full_attention'];
    const nested = { full_attention: { rope_type: 'linear', factor: 2, rope_theta: 3 } };
    expect(rope({ layer_types, rope_parameters: nested })).toEqual({
      rope_theta: 3,
      rope_type: 'linear',
      factor: 2,
    });
    const both = { full_attention: {}, sliding_attention: {} };
    const types = ['full_attention', 'sliding_attention'];
    expect(refusal({ layer_types: types, rope_parameters: both })[0]).toBe('unsupported');
  });

  test('what is not computed is refused', () => {
    expect(refusal({ rope_scaling: { type: 'longrope', short_factor: [1] } })).toEqual([
      'unsupported',
      'config.json: rope_parameters: type: expected default, linear, dynamic, llama3 or yarn, got "longrope"',
    ]);
    expect(refusal({ rope_scaling: { rope_type: 'mrope' } })[0]).toBe('unsupported');
    expect(refusal({ rope_parameters: { rope_type: 'default', mrope_section: [2, 1, 1] } })[0]).toBe(
      'unsupported',
    );
    expect(refusal({ partial_rotary_factor: 0.5 })[0]).toBe('unsupported');
    expect(refusal({ rope_parameters: { partial_rotary_factor: 0.5 } })[0]).toBe('unsupported');
    expect(refusal({ rope_theta: -1 })[0]).toBe('bad_file');
  });
});

describe('sliding_window is null unless it is in use', () => {
  const mistral = { model_type: 'mistral' };

  test('Mistral', () => {
    expect(window({ ...mistral, sliding_window: 128 })).toBe(128);
    expect(window({ ...mistral, sliding_window: null })).toBeNull();
    expect(window({ ...mistral, max_position_embeddings: 32_768 })).toBe(4096);
    expect(window({ ...mistral, sliding_window: 512 })).toBeNull();
  });

  test('Qwen2', () => {
    const more = { ...qwen2, sliding_window: 128, num_hidden_layers: 40 };
    expect(window({ ...more, use_sliding_window: false })).toBeNull();
    expect(window(more)).toBeNull();
    expect(window({ ...more, use_sliding_window: true, max_window_layers: 21 })).toBe(128);
    expect(window({ ...more, use_sliding_window: true })).toBe(128);
    expect(window({ ...more, use_sliding_window: true, num_hidden_layers: 28 })).toBeNull();
    expect(window({ ...more, use_sliding_window: true, layer_types: ['full_attention'] })).toBeNull();
  });

  test('Llama has none', () => expect(window({ sliding_window: 128 })).toBeNull());
});

describe('architectures that are only inspected', () => {
  test('what they lack is 0, whatever their rope', () => {
    const config = parseConfig(
      {
        model_type: 'gpt2',
        architectures: ['GPT2LMHeadModel'],
        vocab_size: 50_257,
        rope_scaling: { type: 'x' },
      },
      'config.json',
    );
    expect(config).toMatchObject({
      model_type: 'gpt2',
      vocab_size: 50_257,
      hidden_size: 0,
      num_hidden_layers: 0,
    });
    expect(config.rope_scaling).toEqual({ rope_type: 'default' });
  });

  test('multimodal models: numbers of the text, type of the whole', () => {
    const config = parseConfig(
      { model_type: 'llava', architectures: ['LlavaForConditionalGeneration'], text_config: llama },
      'config.json',
    );
    expect(config).toMatchObject({
      model_type: 'llava',
      architecture: 'LlavaForConditionalGeneration',
      hidden_size: 64,
      head_dim: 8,
    });
  });
});

test('generation_config.json', () => {
  expect(
    parseGenerationConfig({
      eos_token_id: [2, 0],
      do_sample: true,
      temperature: 0.6,
      top_p: 0.9,
      top_k: 40,
      min_p: null,
      repetition_penalty: '1.1',
      max_new_tokens: 100,
      use_cache: true,
    }),
  ).toEqual({
    eos_token_id: [2, 0],
    do_sample: true,
    temperature: 0.6,
    top_p: 0.9,
    top_k: 40,
    max_new_tokens: 100,
  });
  expect(parseGenerationConfig({ eos_token_id: null, temperature: -1 })).toEqual({});
});

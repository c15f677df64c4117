import { spawn } from 'node:child_process';
import { mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { memorySource } from '../../src/formats/byte_source.ts';
import { readSafetensors } from '../../src/formats/safetensors.ts';
import { readFloats } from '../../src/formats/tensor_data.ts';
import { CLI, json, requireCli, webmla } from '../command_line.ts';
import { modelTest } from '../models.ts';
import { startHub } from '../servers/hub_server.ts';
import { serveFolders } from '../servers/static_server.ts';

/** The built command line, as a user or an outside check calls it. */

const FIXTURE = fileURLToPath(new URL('../fixtures/llama_bias', import.meta.url));
const EMBEDDED = fileURLToPath(new URL('../../public/models/tiny-chat', import.meta.url));

let folder = '';
beforeAll(() => {
  requireCli();
  folder = mkdtempSync(join(tmpdir(), 'webmla-cli-'));
});
afterAll(() => rmSync(folder, { recursive: true }));

describe('inspect', () => {
  test('says what a checkpoint is', async () => {
    const found = await json('inspect', '--model', FIXTURE);
    expect(found).toMatchObject({
      architecture: 'LlamaForCausalLM',
      modelType: 'llama',
      contextLength: 64,
      kvBytesPerToken: { gqa: 2 * 2 * 2 * 8 * 2, mla: 2 * 2 * 2 * 8 * 2 },
      tokenizer: null,
      convertible: true,
    });
    const tensors = found['tensors'] as { name: string; dtype: string; shape: number[] }[];
    expect(tensors).toContainEqual({
      name: 'model.layers.1.self_attn.k_proj.bias',
      dtype: 'F32',
      shape: [16],
    });
    expect(found['parameters']).toBe(
      tensors.reduce((sum, { shape }) => sum + shape.reduce((a, b) => a * b, 1), 0),
    );
  });

  modelTest('also where it cannot run, and of GGUF files', async (models) => {
    const mixtral = await json('inspect', '--model', join(models, 'tiny-random/mixtral'));
    expect(mixtral['convertible']).toMatch(/model_type/);
    const deepseek = await json('inspect', '--model', join(models, 'tiny-random/deepseek_v3'));
    expect(deepseek).toMatchObject({
      modelType: 'deepseek_v3',
      kvBytesPerToken: { mla: expect.any(Number) },
    });
    const smol = await json(
      'inspect',
      '--model',
      join(models, 'SmolLM2-135M-Instruct/SmolLM2-135M-Instruct.Q4_1.gguf'),
    );
    expect(smol).toMatchObject({
      architecture: 'LlamaForCausalLM',
      parameters: 134_515_008,
      contextLength: 8192,
      kvBytesPerToken: { gqa: 23_040 },
      tokenizer: { type: 'BPE', vocabSize: 49_152 },
    });
  });
});

describe('tokenize', () => {
  test('plain and special', async () => {
    const text = 'Hello <|im_end|>';
    const plain = await json('tokenize', '--model', EMBEDDED, '--text', text);
    const special = await json('tokenize', '--model', EMBEDDED, '--text', text, '--special');
    expect(plain['text']).toBe(text);
    expect(special).toEqual({ ids: [4970, 223, 2], text });
    expect((plain['ids'] as number[]).includes(2)).toBe(false);
  });
});

describe('generate', () => {
  test('by ids, without tokenizer files, in both forms', async () => {
    const golden = JSON.parse(readFileSync(join(FIXTURE, 'golden.json'), 'utf8'));
    const prompt: number[] = golden.greedy_prompt;
    for (const attention of ['gqa', 'mla']) {
      const got = await json(
        ...['generate', '--model', FIXTURE, '--prompt-ids', prompt.join(','), '--max-tokens', '24'],
        ...['--attention', attention, '--cache-dtype', 'f32', '--weights', 'f32', '--ignore-eos'],
      );
      expect(got).toMatchObject({
        text: null,
        tokenIds: golden.greedy.slice(prompt.length),
        promptTokenIds: prompt,
        promptTokens: prompt.length,
        completionTokens: 24,
        finishReason: 'length',
        attention,
        kvBytesPerToken: 2 * 2 * 2 * 8 * 4,
        adapter: { software: expect.any(Boolean), vendor: expect.any(String) },
      });
      const timings = got['timings'] as Record<string, number>;
      for (const name of [
        'loadMs',
        'convertMs',
        'prefillMs',
        'decodeMs',
        'prefillTokensPerSecond',
        'decodeTokensPerSecond',
      ]) {
        expect(timings[name]).toBeGreaterThanOrEqual(0);
      }
    }
  });

  test('writes logits as safetensors', async () => {
    const file = join(folder, 'logits.safetensors');
    const golden = JSON.parse(readFileSync(join(FIXTURE, 'golden.json'), 'utf8'));
    const ids: number[] = golden.input_ids;
    await json(
      ...[
        'generate',
        '--model',
        FIXTURE,
        '--prompt-ids',
        ids.join(','),
        '--max-tokens',
        '3',
        '--logits',
        file,
      ],
      ...['--cache-dtype', 'f32', '--ignore-eos'],
    );
    const { tensors } = await readSafetensors(memorySource(new Uint8Array(readFileSync(file)), file));
    const rows = tensors.find(({ name }) => name === 'prompt_logits');
    const steps = tensors.find(({ name }) => name === 'step_logits');
    if (!rows || !steps) throw new Error('the file has not both tensors');
    expect(rows.shape).toEqual([ids.length, 97]);
    expect(steps.shape).toEqual([3, 97]);
    const got = await readFloats(rows, rows.shape);
    const want: number[] = golden.logits.flat();
    expect(Math.max(...want.map((value, i) => Math.abs(value - (got[i] ?? NaN))))).toBeLessThan(1e-3);
    // The first generated token was chosen from the last row of the prompt.
    const first = await readFloats(steps, steps.shape);
    got.slice(-97).forEach((value, i) => expect(first[i]).toBeCloseTo(value, 4));
  });

  test('text, messages, stop and seed', async () => {
    const messages = join(folder, 'messages.json');
    writeFileSync(messages, JSON.stringify([{ role: 'user', content: 'Hello!' }]));
    const chat = await json('generate', '--model', EMBEDDED, '--messages', messages, '--max-tokens', '60');
    expect(chat).toMatchObject({ finishReason: 'stop', promptTokens: 13 });
    const story = [
      'generate',
      '--model',
      EMBEDDED,
      '--prompt',
      'Once upon a time, there was a little',
      '--max-tokens',
      '12',
    ];
    const greedy = await json(...story);
    expect(greedy['promptTokenIds']).toEqual([4678, 875, 261, 573, 14, 503, 316, 261, 633]);
    const word = String(greedy['text']).trim().split(' ')[1] ?? '';
    const stopped = await json(...story, '--stop', word);
    expect(stopped).toMatchObject({ finishReason: 'stop', text: String(greedy['text']).split(word)[0] });
    const sampled = [...story, '--temperature', '1', '--top-k', '50', '--top-p', '0.95'];
    const a = await json(...sampled, '--seed', '-5');
    expect((await json(...sampled, '--seed', '-5'))['tokenIds']).toEqual(a['tokenIds']);
    const plain = await webmla(...story);
    expect(plain.stdout).toBe(`${String(greedy['text'])}\n`);
  });

  test('from the Hub, which HF_ENDPOINT may name', async () => {
    const names = ['config.json', 'model.safetensors'];
    const files = names.map((name) => [name, new Uint8Array(readFileSync(join(FIXTURE, name)))] as const);
    const hub = await startHub({ 'owner/llama': Object.fromEntries(files) });
    process.env['HF_ENDPOINT'] = hub.url;
    try {
      const got = await json(
        'generate',
        '--model',
        'owner/llama',
        '--prompt-ids',
        '5,6',
        '--max-tokens',
        '2',
      );
      expect(got['completionTokens']).toBe(2);
      expect(hub.requests.some((line) => line.includes('/owner/llama/resolve/'))).toBe(true);
    } finally {
      delete process.env['HF_ENDPOINT'];
      await hub.close();
    }
  });

  test('from an address, by ranges', async () => {
    const server = await serveFolders({ '/m/': FIXTURE });
    const got = await json(
      'generate',
      '--model',
      `${server.origin}/m/`,
      '--prompt-ids',
      '5,6',
      '--max-tokens',
      '2',
    );
    expect(got['completionTokens']).toBe(2);
    await server.close();
  });
});

describe('chat', () => {
  test('streams, and an interrupt stops the answer and not the program', async () => {
    const program = spawn(process.execPath, [CLI, 'chat', '--model', EMBEDDED, '--context-length', '512'], {
      stdio: 'pipe',
    });
    let output = '';
    program.stdout.on('data', (data: Buffer) => (output += data.toString()));
    const until = async (pattern: RegExp): Promise<void> => {
      await expect.poll(() => output, { timeout: 60_000 }).toMatch(pattern);
      output = '';
    };
    await until(/\/help for help/);
    program.stdin.write('Tell me a long story about a river.\n');
    await expect.poll(() => output.length, { timeout: 60_000 }).toBeGreaterThan(20);
    program.kill('SIGINT');
    await until(/\[stopped\]/);
    program.stdin.write('Hello!\n');
    await until(/tokens, [\d.]+ a second/);
    program.stdin.write('/exit\n');
    const code = await new Promise((resolve) => {
      program.on('exit', resolve);
    });
    expect(code).toBe(0);
  });
});

import { mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { createServer } from 'node:http';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { CLI, failure, requireCli, webmla } from '../command_line.ts';

const FIXTURE = fileURLToPath(new URL('../fixtures/llama_bias', import.meta.url));
const EMBEDDED = fileURLToPath(new URL('../../public/models/tiny-chat', import.meta.url));

let folder = '';
beforeAll(() => {
  requireCli();
  folder = mkdtempSync(join(tmpdir(), 'webmla-cli-'));
});
afterAll(() => rmSync(folder, { recursive: true }));

describe('errors', () => {
  test.each<[string, string[], string]>([
    ['a path that is not there', ['--model', './no-such', '--prompt-ids', '1'], 'missing_file'],
    ['a folder without a model', ['--model', '/usr', '--prompt-ids', '1'], 'missing_file'],
    ['an id beyond the vocabulary', ['--model', FIXTURE, '--prompt-ids', '97'], 'bad_request'],
    ['text without a tokenizer', ['--model', FIXTURE, '--prompt', 'hello'], 'missing_file'],
    [
      'a context beyond the model',
      ['--model', FIXTURE, '--prompt-ids', '1', '--context-length', '65'],
      'bad_request',
    ],
    [
      'nothing to calibrate on without a tokenizer',
      ['--model', FIXTURE, '--prompt-ids', '1', '--kv-budget', '0.5'],
      'missing_file',
    ],
    ['messages that are no JSON', ['--model', EMBEDDED, '--messages', CLI], 'bad_file'],
  ])('%s: exit code 1 and a typed error', async (_, args, code) => {
    const got = await failure('generate', ...args);
    expect(got).toMatchObject({
      code: 1,
      error: { code, message: expect.any(String), hint: expect.any(String) },
    });
  });

  test('without --json: one line and a hint on standard error, nothing on standard output', async () => {
    const { code, stdout, stderr } = await webmla('generate', '--model', './no-such', '--prompt-ids', '1');
    expect(code).toBe(1);
    expect(stdout).toBe('');
    expect(stderr.split('\n')[0]).toMatch(/^webmla: missing_file: .*no-such.*expected/);
    expect(stderr.split('\n').length).toBe(3);
  });

  test.each<[string, string[]]>([
    ['no command', []],
    ['an unknown command', ['fly']],
    ['an unknown option', ['generate', '--model', FIXTURE, '--wings']],
    ['an option of another command', ['inspect', '--model', FIXTURE, '--prompt', 'x']],
    ['no model', ['inspect']],
    ['no prompt', ['generate', '--model', FIXTURE]],
    ['two prompts', ['generate', '--model', FIXTURE, '--prompt', 'a', '--prompt-ids', '1']],
    ['a number that is none', ['generate', '--model', FIXTURE, '--prompt-ids', '1', '--max-tokens', 'many']],
    [
      'a method without its budget',
      ['generate', '--model', FIXTURE, '--prompt-ids', '1', '--method', 'webmla'],
    ],
    ['a choice that is none', ['generate', '--model', FIXTURE, '--prompt-ids', '1', '--weights', 'q3']],
  ])('%s: exit code 2', async (_, args) => {
    expect((await webmla(...args)).code).toBe(2);
  });

  test('broken files end within seconds', async () => {
    const whole = readFileSync(join(FIXTURE, 'model.safetensors'));
    const broken: [string, Buffer][] = [
      ['cut.safetensors', whole.subarray(0, whole.length - 100)],
      [
        'huge-header.safetensors',
        Buffer.concat([Buffer.from([255, 255, 255, 255, 255, 255, 255, 127]), whole.subarray(8)]),
      ],
      ['empty.safetensors', Buffer.alloc(0)],
      ['noise.gguf', Buffer.from('GGUF\x03\0\0\0 and then something else entirely')],
    ];
    writeFileSync(join(folder, 'config.json'), readFileSync(join(FIXTURE, 'config.json')));
    for (const [name, bytes] of broken) {
      writeFileSync(join(folder, name), bytes);
      const started = performance.now();
      const got = await failure('inspect', '--model', join(folder, name));
      expect(got).toMatchObject({ code: 1, error: { code: 'bad_file' } });
      expect(performance.now() - started).toBeLessThan(5000);
    }
  });

  test('NaN weights and wrong shapes name the tensor', async () => {
    const whole = readFileSync(join(FIXTURE, 'model.safetensors'));
    const bad = Buffer.from(whole);
    bad.writeFloatLE(NaN, whole.length - 4 * 1000);
    writeFileSync(join(folder, 'model.safetensors'), bad);
    const nan = await failure('generate', '--model', join(folder, 'model.safetensors'), '--prompt-ids', '1');
    expect(nan).toMatchObject({
      code: 1,
      error: { code: 'bad_tensor', message: expect.stringMatching(/model\..*(NaN|finite)/) },
    });
    writeFileSync(join(folder, 'model.safetensors'), whole);
    const config = JSON.parse(readFileSync(join(FIXTURE, 'config.json'), 'utf8'));
    writeFileSync(join(folder, 'config.json'), JSON.stringify({ ...config, intermediate_size: 104 }));
    const shape = await failure(
      'generate',
      '--model',
      join(folder, 'model.safetensors'),
      '--prompt-ids',
      '1',
    );
    expect(shape).toMatchObject({
      code: 1,
      error: { code: 'bad_tensor', message: expect.stringContaining('[104, 60]') },
    });
    writeFileSync(join(folder, 'config.json'), JSON.stringify({ ...config, num_hidden_layers: 3 }));
    const missing = await failure(
      'generate',
      '--model',
      join(folder, 'model.safetensors'),
      '--prompt-ids',
      '1',
    );
    expect(missing).toMatchObject({
      code: 1,
      error: { code: 'missing_file', message: expect.stringContaining('layers.2') },
    });
  });

  test('a server that answers nothing useful is `network` or `missing_file`, soon', async () => {
    const server = createServer((_, response) => response.writeHead(500).end());
    await new Promise<void>((resolve) => {
      server.listen(0, 'localhost', resolve);
    });
    const address = server.address();
    const port = typeof address === 'object' && address ? address.port : 0;
    const got = await failure('inspect', '--model', `http://localhost:${port}/model/`);
    expect(got).toMatchObject({ code: 1, error: { code: 'network' } });
    server.close();
    const refused = await failure('inspect', '--model', 'http://localhost:9/model/');
    expect(refused).toMatchObject({ code: 1, error: { code: 'network' } });
  });
});

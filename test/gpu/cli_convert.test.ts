import { mkdtempSync, readdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { openNodeFiles } from '../../src/cli/node_files.ts';
import { openDawn } from '../../src/cli/dawn.ts';
import { LocalEngine } from '../../src/runtime/engine.ts';
import { failure, json, requireCli } from '../command_line.ts';
import { engineSubject } from '../engine_subject.ts';
import { checkGolden } from '../golden_check.ts';
import { readGolden } from '../goldens.ts';
import { modelTest } from '../models.ts';

const FIXTURES = fileURLToPath(new URL('../fixtures', import.meta.url));

let folder = '';
beforeAll(() => {
  requireCli();
  folder = mkdtempSync(join(tmpdir(), 'webmla-convert-'));
});
afterAll(() => rmSync(folder, { recursive: true }));

describe('convert --method exact', () => {
  test.each(readdirSync(FIXTURES))('%s: a folder that runs as the original', async (name) => {
    const out = join(folder, name);
    const made = await json('convert', '--model', join(FIXTURES, name), '--out', out, '--method', 'exact');
    const found = await json('inspect', '--model', out);
    expect(made).toMatchObject({ form: 'strict', cacheDtype: 'f16', calibrationTokens: 0 });
    expect(found).toMatchObject({
      architecture: 'WebMlaForCausalLM',
      kvBytesPerToken: { mla: made['kvBytesPerToken'] },
      convertible: 'it is converted already',
    });
    const engine = await LocalEngine.create({
      weights: 'f32',
      cacheDtype: 'f32',
      files: await openNodeFiles(out),
      gpu: await openDawn(),
      promptLogits: true,
    });
    expect(engine.info.attention).toBe('mla');
    const report = await checkGolden(readGolden(join(FIXTURES, name)), engineSubject(engine));
    engine.dispose();
    expect(report.leftPaths).toEqual([]);
    expect(report.worstLogit).toBeLessThan(1e-3);
  });

  modelTest('a GGUF becomes a folder with its tokenizer, weights bit for bit', async (models) => {
    const model = join(models, 'gguf/stories260K.F32.gguf');
    const out = join(folder, 'gguf');
    await json('convert', '--model', model, '--out', out, '--method', 'exact');
    const ask = ['--prompt', 'Once upon a time', '--max-tokens', '12'];
    const [before, after] = [
      await json('generate', '--model', model, ...ask),
      await json('generate', '--model', out, ...ask),
    ];
    expect(after['text']).toBe(before['text']);
    expect(after['attention']).toBe('mla');
  });

  test('errors: no way back, not twice, nowhere to write', async () => {
    const out = join(folder, 'once');
    const model = join(FIXTURES, 'llama_bias');
    await json('convert', '--model', model, '--out', out, '--method', 'exact');
    const back = await failure('generate', '--model', out, '--prompt-ids', '1', '--attention', 'gqa');
    expect(back).toMatchObject({ code: 1, error: { code: 'unsupported' } });
    const twice = await failure(
      'convert',
      '--model',
      out,
      '--out',
      join(folder, 'twice'),
      '--method',
      'exact',
    );
    expect(twice).toMatchObject({ code: 1, error: { code: 'unsupported' } });
    const file = join(folder, 'file');
    writeFileSync(file, 'in the way');
    const nowhere = await failure(
      'convert',
      '--model',
      model,
      '--out',
      join(file, 'below'),
      '--method',
      'exact',
    );
    expect(nowhere).toMatchObject({ code: 1, error: { code: 'storage' } });
    expect(await failure('convert', '--model', model)).toMatchObject({ code: 2 });
  });

  test('a folder whose widths are nonsense is refused', async () => {
    const out = join(folder, 'broken');
    await json('convert', '--model', join(FIXTURES, 'llama_bias'), '--out', out, '--method', 'exact');
    const path = join(out, 'config.json');
    const config = JSON.parse(readFileSync(path, 'utf8'));
    const damage = async (change: (webmla: typeof config) => void): Promise<string> => {
      const copy = structuredClone(config);
      change(copy.webmla);
      writeFileSync(path, JSON.stringify(copy));
      const { error } = await failure('generate', '--model', out, '--prompt-ids', '1', '--max-tokens', '1');
      return error.code;
    };
    expect(await damage((w) => (w.layers[0].latent = 'wide'))).toBe('bad_file');
    expect(await damage((w) => (w.layers[0].qk_rope_head_dim = 7))).toBe('bad_file');
    expect(await damage((w) => w.layers.pop())).toBe('bad_file');
    expect(await damage((w) => (w.layers[1].kv_lora_rank = 24))).toBe('bad_tensor');
    expect(await damage((w) => (w.version = 99))).toBe('unsupported');
  });
});

import { mkdtempSync, readdirSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { Arguments } from '../../src/cli/arguments.ts';
import { openDawn } from '../../src/cli/dawn.ts';
import { evaluateText } from '../../src/cli/evaluate.ts';
import { openNodeFiles } from '../../src/cli/node_files.ts';
import { openCheckpoint } from '../../src/formats/open_checkpoint.ts';
import { randomStream } from '../../src/core/rng.ts';
import { Pipelines } from '../../src/gpu/pipelines.ts';
import { runModel } from '../../src/reference/model.ts';
import { score_tokens } from '../../src/reference/score_tokens.ts';
import { Evaluator, textWindows } from '../../src/runtime/evaluator.ts';
import { evaluate } from '../../src/runtime/evaluate.ts';
import { KeptLogits } from '../../src/runtime/kept_logits.ts';
import { loadModel } from '../../src/runtime/load.ts';
import { tokenizerOf } from '../../src/runtime/tokenizer_of.ts';
import { readDecoder } from '../layers.ts';
import { testGpu } from './dawn.ts';

const fixtures = fileURLToPath(new URL('../fixtures', import.meta.url));
const EMBEDDED = fileURLToPath(new URL('../../public/models/tiny-chat', import.meta.url));
const EXACT = { weights: 'f32', cacheDtype: 'f32' } as const;

function golden(name: string): { input_ids: number[]; logits: number[][] } {
  return JSON.parse(readFileSync(join(fixtures, name, 'golden.json'), 'utf8'));
}

describe('losses on the GPU', () => {
  test.each(readdirSync(fixtures))("%s: as transformers' logits give them", async (name) => {
    const { input_ids: ids, logits } = golden(name);
    const scored = ids.length - 1;
    const want = logits
      .slice(0, scored)
      .map((row, t) => score_tokens(Float32Array.from(row), row.length, [ids[t + 1]!])[0]!)
      .reduce((a, b) => a + b, 0);
    const files = await openNodeFiles(join(fixtures, name));
    const evaluator = await Evaluator.create({
      ...EXACT,
      attention: 'mla',
      files,
      against: files,
      gpu: await openDawn(),
    });
    try {
      const window = Uint32Array.from(ids);
      const got = await evaluator.run([window, window]);
      expect(got).toMatchObject({ tokens: 2 * scored, windows: 2, top1Agreement: 1 });
      expect(got.nllPerToken).toBeCloseTo(want / scored, 4);
      expect(got.perplexity).toBeCloseTo(Math.exp(got.nllPerToken), 6);
      // Lossless: what is left is rounding.
      expect(got.kl).toBeLessThan(1e-6);
      await expect(evaluator.run([])).rejects.toMatchObject({ code: 'bad_request' });
      await expect(evaluator.run([Uint32Array.of(1)])).rejects.toMatchObject({ code: 'bad_request' });
      await expect(evaluator.run([Uint32Array.of(1, 1e6)])).rejects.toMatchObject({ code: 'bad_request' });
      await expect(evaluator.run([window], { signal: AbortSignal.abort() })).rejects.toMatchObject({
        code: 'aborted',
      });
    } finally {
      evaluator.dispose();
    }
  });
});

test('a model beside logits that were kept: as beside the model that gave them', async () => {
  const gpu = await testGpu();
  const opened = await openCheckpoint(await openNodeFiles(join(fixtures, 'llama_bias')));
  // Longer than the fixture was made for, so that there are several chunks.
  const checkpoint = { ...opened, config: { ...opened.config, max_position_embeddings: 128 } };
  const pipelines = new Pipelines(gpu.device);
  const load = async (cacheDtype: 'f32' | 'int4') =>
    loadModel(checkpoint, gpu, {
      attention: 'gqa',
      weights: 'f32',
      cacheDtype,
      contextLength: 72,
      promptLogits: true,
      spare: 0,
      pipelines,
      onProgress: () => {},
      signal: undefined,
    });
  const original = await load('f32');
  const rounded = await load('int4');
  expect(original.plan.chunk).toBe(64);
  const random = randomStream(8);
  const windows = [72, 9].map((n) =>
    Uint32Array.from({ length: n }, () => Math.floor(random() * checkpoint.config.vocab_size)),
  );
  const want = await evaluate(gpu, rounded, windows, { against: original, pipelines });
  const kept = await KeptLogits.gather(gpu, original, windows);
  original.buffers.destroy();
  expect(await evaluate(gpu, rounded, windows, { against: kept, pipelines })).toEqual(want);
  expect(want.kl).toBeGreaterThan(1e-6);
  await expect(evaluate(gpu, rounded, windows.toReversed(), { against: kept })).rejects.toMatchObject({
    code: 'bad_request',
  });
  kept.destroy();
  rounded.buffers.destroy();
});

describe('webmla evaluate', () => {
  const text =
    'Once there was a small dog. It said "hello" to the cat, and the cat — surprised — ran home.\n'.repeat(3);
  let folder = '';
  let file = '';
  beforeAll(() => {
    folder = mkdtempSync(join(tmpdir(), 'webmla-evaluate-'));
    writeFileSync((file = join(folder, 'text.txt')), text);
  });
  afterAll(() => rmSync(folder, { recursive: true }));
  const run = (...more: string[]) =>
    evaluateText(new Arguments(['evaluate', '--model', EMBEDDED, '--text', file, '--json', ...more]));

  test('says what the oracle says', async () => {
    const { config, layers, ends } = await readDecoder(EMBEDDED);
    const tokenizer = tokenizerOf(await openCheckpoint(await openNodeFiles(EMBEDDED)))!;
    const { windows } = textWindows(tokenizer, text, 24, 1, 1);
    expect(windows.map((w) => [w.length, w[0]])).toEqual([[24, 1]]);
    let nll = 0;
    for (const window of windows) {
      const logits = runModel(config, ends, layers, [...window], 'gqa');
      const scores = score_tokens(
        logits.subarray(0, 23 * config.vocab_size),
        config.vocab_size,
        window.subarray(1),
      );
      for (let t = 0; t < 23; t++) nll += scores[2 * t]!;
    }
    const scored = windows.flatMap((w) => [...w.subarray(1)]);
    const bytes = Buffer.byteLength(tokenizer.decode(scored, { skipSpecialTokens: false }));
    const options = ['--window', '24', '--first-token', '1', '--max-windows', '1'];
    const got = await run(...options, '--weights', 'f32', '--cache-dtype', 'f32');
    expect(got).toMatchObject({ tokens: 23, windows: 1, kvBytesPerToken: expect.any(Number) });
    expect(got.nllPerToken).toBeCloseTo(nll / 23, 4);
    expect(got.bitsPerByte).toBeCloseTo(nll / Math.LN2 / bytes, 4);
    expect(got).not.toHaveProperty('kl');
    const rounded = await run(...options, '--weights', 'q4', '--against', EMBEDDED);
    // These weights lie on a 4-bit grid already: the cache in f16 is the difference.
    expect(rounded.kl).toBeGreaterThan(0);
    expect(rounded.kl).toBeLessThan(1e-4);
    expect(rounded.top1Agreement).toBeGreaterThan(0.9);
  });

  test('refuses what makes no sense', async () => {
    await expect(run('--window', '1')).rejects.toThrow('--window');
    await expect(run('--window', '100000')).rejects.toMatchObject({ code: 'bad_request' });
    await expect(run('--first-token', '1000000', '--window', '24')).rejects.toMatchObject({
      code: 'bad_request',
    });
    await expect(
      evaluateText(new Arguments(['evaluate', '--model', EMBEDDED, '--text', join(folder, 'none')])),
    ).rejects.toMatchObject({ code: 'missing_file' });
  });
});

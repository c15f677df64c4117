import { fileURLToPath } from 'node:url';
import { beforeAll, describe, expect, test } from 'vitest';
import { openDawn } from '../../src/cli/dawn.ts';
import { openNodeFiles } from '../../src/cli/node_files.ts';
import { randomStream } from '../../src/core/rng.ts';
import type { Checkpoint } from '../../src/formats/checkpoint.ts';
import { openCheckpoint } from '../../src/formats/open_checkpoint.ts';
import { convertByIntent } from '../../src/runtime/convert_by_intent.ts';
import type { IntentOptions, IntentProgress, ModelByIntent } from '../../src/runtime/convert_by_intent.ts';

/** The search on a random model of two layers: what it does, not what it finds. */

const FIXTURE = fileURLToPath(new URL('../fixtures/llama_bias', import.meta.url));
const random = randomStream(3);
const ROWS = Array.from({ length: 6 }, () =>
  Uint32Array.from({ length: 48 }, () => Math.floor(random() * 97)),
);
/** 2 layers of 64 values in f16. */
const GQA_BYTES = 2 * 32 * 2 * 2;

let checkpoint: Checkpoint;
beforeAll(async () => {
  checkpoint = await openCheckpoint(await openNodeFiles(FIXTURE));
});

async function convert(
  intent: Omit<IntentOptions['intent'], 'method'>,
  options: Partial<IntentOptions> = {},
): Promise<ModelByIntent> {
  return convertByIntent(checkpoint, {
    intent: { method: 'webmla', ...intent },
    calibration: { rows: ROWS, refitRows: 4 },
    gpu: openDawn,
    weights: 'as-is',
    madeWeights: 'f32',
    search: { windows: 2, candidates: 3 },
    onProgress: () => {},
    ...options,
  });
}

test('a budget: candidates and rivals are measured, the winner is refitted and measured again', async () => {
  const stages: IntentProgress[] = [];
  const { report, latent, calibrationTokens, reports } = await convert(
    { kvBudget: 0.6 },
    { onProgress: (at) => stages.push(at) },
  );
  expect(calibrationTokens).toBe(4 * 48);
  expect(report).toMatchObject({ kvBudget: 0.6, maxLoss: null, gqaBytes: GQA_BYTES, refitUndone: false });
  expect(report.chosen.bytes).toBeLessThanOrEqual(0.6 * GQA_BYTES);
  expect(latent.cacheDtype).toBe(report.chosen.cacheDtype);
  expect(latent.layers[0]!.latent).toBe(report.chosen.form);
  const measured = report.candidates.filter((one) => one.measured);
  expect(measured.length).toBeGreaterThan(0);
  expect(measured.length).toBeLessThanOrEqual(3);
  expect(report.candidates.length).toBe(9);
  for (const { measured: found, bytes } of measured) {
    expect(found!.bytes).toBeLessThanOrEqual(bytes);
    expect(Number.isFinite(found!.rise)).toBe(true);
  }
  expect(report.heldOut).toMatchObject({ windows: 2, tokens: 94, bytes: report.chosen.bytes });
  const { rise, perplexity, originalPerplexity, kl } = report.heldOut!;
  expect(rise).toBeCloseTo(Math.log(perplexity / originalPerplexity), 5);
  expect(kl).toBeGreaterThan(0);
  // int8 takes 40 of 64 bytes a layer here, int4 24.
  expect(report.rivals.map((one) => [one.cacheDtype, one.measured !== null])).toEqual([
    ['int8', false],
    ['int4', true],
  ]);
  expect(reports[0]!.outputEnergy).toBeGreaterThan(reports[0]!.predictedError!);
  expect([...new Set(stages.map(({ stage }) => stage))]).toEqual([
    'calibrate',
    'search',
    'convert',
    'measure',
  ]);
  expect(stages.every(({ loaded, total }) => loaded <= total)).toBe(true);
  if (report.decode) {
    const [first] = report.decode.rows;
    expect(first!.gqaMs).toBeGreaterThan(0);
    expect(report.decode.bytesPerSecond).toBeGreaterThan(0);
  }
});

test('a loss: the final model stays within it', async () => {
  const { report } = await convert({ maxLoss: 0.05, form: 'recon' });
  expect(report.heldOut!.rise).toBeLessThanOrEqual(0.05);
  expect(report.candidates.length).toBeLessThanOrEqual(3);
  expect(report.rivals.every(({ measured }) => measured !== null)).toBe(true);
  const within = report.candidates.filter(({ measured }) => measured!.rise <= 0.05);
  expect(report.chosen).toMatchObject({ form: 'recon', cacheDtype: within.at(-1)!.cacheDtype });
});

test('widths that are given: nothing is searched, everything is measured', async () => {
  const { report } = await convert({ kv_lora_rank: 24, form: 'reuse', cacheDtype: 'int8' });
  expect(report).toMatchObject({ candidates: [], kvBudget: null });
  expect(report.heldOut!.windows).toBe(2);
});

describe('without measuring', () => {
  test('statistics alone choose by prediction and need no GPU', async () => {
    const { statistics } = await convert({ kvBudget: 0.5, form: 'reuse', cacheDtype: 'f16' });
    const { report } = await convert(
      { kvBudget: 0.5 },
      {
        calibration: { rows: [], refitRows: 0, statistics: statistics! },
        search: {},
        gpu: async () => Promise.reject(new Error('no GPU expected')),
      },
    );
    expect(report).toMatchObject({ heldOut: null, better: null, decode: null });
    expect(report.candidates.length).toBe(9);
    expect(
      report.candidates.every(({ measured, expectedLoss }) => measured === null && expectedLoss! > 0),
    ).toBe(true);
  });
});

describe('what cannot be', () => {
  const code = async (
    intent: Omit<IntentOptions['intent'], 'method'>,
    options: Partial<IntentOptions> = {},
  ): Promise<{ code: string; details?: { best?: unknown } }> =>
    convert(intent, options).then(
      () => ({ code: 'none' }),
      (error: { code: string }) => error,
    );
  const rows = (some: typeof ROWS): Partial<IntentOptions> => ({ calibration: { rows: some, refitRows: 1 } });

  test('is refused before anything is calibrated', async () => {
    const gpu = { gpu: async () => Promise.reject(new Error('no GPU expected')) };
    expect(await code({ kv_lora_rank: 80 }, gpu)).toMatchObject({ code: 'bad_request' });
    expect(await code({ kvBudget: 0.01 }, gpu)).toMatchObject({ code: 'bad_request' });
    expect(await code({ kvBudget: 0.5 }, { ...gpu, search: { candidates: 0 } })).toMatchObject({
      code: 'bad_request',
    });
  });

  test('too few rows to hold any back', async () => {
    expect(await code({ kvBudget: 0.5 }, rows(ROWS.slice(0, 2)))).toMatchObject({ code: 'bad_request' });
    expect(await code({ maxLoss: 0.5 }, { ...rows(ROWS.slice(0, 1)), search: {} })).toMatchObject({
      code: 'bad_request',
    });
  });

  test('a loss that nothing stays within says what came nearest', async () => {
    const error = await code(
      { maxLoss: 1e-9, form: 'strict', cacheDtype: 'int4' },
      { search: { windows: 1, candidates: 1 } },
    );
    expect(error).toMatchObject({ code: 'bad_request', details: { best: { cacheDtype: 'int4' } } });
  });

  test('a cancel in the middle of the search', async () => {
    const controller = new AbortController();
    const stages = new Set<string>();
    const error = await code(
      { kvBudget: 0.6 },
      {
        signal: controller.signal,
        onProgress: ({ stage, loaded }) => {
          stages.add(stage);
          if (stage === 'search' && loaded === 2) controller.abort();
        },
      },
    );
    expect(error).toMatchObject({ code: 'aborted' });
    expect(stages).toEqual(new Set(['calibrate', 'search']));
  });
});

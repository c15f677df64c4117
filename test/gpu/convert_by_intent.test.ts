import { fileURLToPath } from 'node:url';
import { beforeAll, expect, test } from 'vitest';
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
const ROWS = Array.from({ length: 5 }, () =>
  Uint32Array.from({ length: 40 }, () => Math.floor(random() * 97)),
);
/** 2 layers of 32 values in f16. */
const GQA_BYTES = 2 * 32 * 2;

let checkpoint: Checkpoint;
/** With calibration, search and refit. */
let half: ModelByIntent;
const stages: IntentProgress[] = [];

async function convert(
  intent: Omit<IntentOptions['intent'], 'method'>,
  options: Partial<IntentOptions> = {},
): Promise<ModelByIntent> {
  return convertByIntent(checkpoint, {
    intent: { method: 'webmla', ...intent },
    calibration: { rows: ROWS, refitRows: 0, statistics: half?.statistics ?? [] },
    gpu: openDawn,
    weights: 'as-is',
    madeWeights: 'f32',
    search: { windows: 1, candidates: 2 },
    onProgress: () => {},
    ...options,
  });
}

beforeAll(async () => {
  checkpoint = await openCheckpoint(await openNodeFiles(FIXTURE));
  half = await convert(
    { kvBudget: 0.75 },
    { calibration: { rows: ROWS, refitRows: 4 }, onProgress: (at) => stages.push(at) },
  );
}, 400_000);

test('a budget: candidates and rivals are measured, the winner is refitted and measured again', () => {
  const { report, latent, calibrationTokens, reports } = half;
  expect(calibrationTokens).toBe(4 * 40);
  expect(report).toMatchObject({ kvBudget: 0.75, maxLoss: null, gqaBytes: GQA_BYTES, refitUndone: false });
  expect(report.chosen.bytes).toBeLessThanOrEqual(0.75 * GQA_BYTES);
  expect(latent.cacheDtype).toBe(report.chosen.cacheDtype);
  expect(latent.layers[0]!.latent).toBe(report.chosen.form);
  const measured = report.candidates.filter((one) => one.measured);
  expect(measured.length).toBeGreaterThan(0);
  expect(measured.length).toBeLessThanOrEqual(2);
  expect(report.candidates.length).toBe(9);
  for (const { measured: found, bytes } of measured) {
    expect(found!.bytes).toBeLessThanOrEqual(bytes);
    expect(Number.isFinite(found!.rise)).toBe(true);
  }
  expect(report.heldOut).toMatchObject({ windows: 1, tokens: 39, bytes: report.chosen.bytes });
  const { rise, perplexity, originalPerplexity, kl } = report.heldOut!;
  expect(rise).toBeCloseTo(Math.log(perplexity / originalPerplexity), 5);
  expect(kl).toBeGreaterThan(0);
  for (const rival of report.rivals) expect(rival.measured !== null).toBe(rival.bytes <= 0.75 * GQA_BYTES);
  expect(reports[0]!.outputEnergy).toBeGreaterThan(reports[0]!.predictedError!);
  expect([...new Set(stages.map(({ stage }) => stage))]).toEqual([
    'calibrate',
    'search',
    'convert',
    'measure',
  ]);
  expect(stages.every(({ loaded, total }) => loaded <= total)).toBe(true);
  const [first] = report.decode?.rows ?? [];
  if (first) expect(first.gqaMs).toBeGreaterThan(0);
});

test('a loss: the final model stays within it', async () => {
  const { report } = await convert({ maxLoss: 0.5, form: 'recon', cacheDtype: 'f16' });
  expect(report.heldOut!.rise).toBeLessThanOrEqual(0.5);
  expect(report.chosen).toMatchObject({ form: 'recon', cacheDtype: 'f16' });
  expect(report.candidates.length).toBeLessThanOrEqual(2);
  expect(report.rivals.every(({ measured }) => measured !== null)).toBe(true);
});

async function codeOf(
  intent: Omit<IntentOptions['intent'], 'method'>,
  options: Partial<IntentOptions> = {},
): Promise<string> {
  return convert(intent, options).then(
    () => 'none',
    (error: { code: string }) => error.code,
  );
}

test('too few rows to hold any back', async () => {
  const few = (count: number): Partial<IntentOptions> => ({
    calibration: { rows: ROWS.slice(0, count), refitRows: 1 },
    search: {},
  });
  expect(await codeOf({ kvBudget: 0.5 }, few(1))).toBe('bad_request');
  expect(await codeOf({ maxLoss: 0.5 }, few(1))).toBe('bad_request');
});

test('a cancel in the middle of the search', async () => {
  const controller = new AbortController();
  const seen = new Set<string>();
  const code = await codeOf(
    { kvBudget: 0.75 },
    {
      signal: controller.signal,
      onProgress: ({ stage, loaded }) => {
        seen.add(stage);
        if (loaded === 1) controller.abort();
      },
    },
  );
  expect(code).toBe('aborted');
  expect(seen).toEqual(new Set(['search']));
});

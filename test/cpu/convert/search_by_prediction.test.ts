import { fileURLToPath } from 'node:url';
import { beforeAll, expect, test } from 'vitest';
import { openNodeFiles } from '../../../src/cli/node_files.ts';
import type { Checkpoint } from '../../../src/formats/checkpoint.ts';
import { openCheckpoint } from '../../../src/formats/open_checkpoint.ts';
import { convertByIntent } from '../../../src/runtime/convert_by_intent.ts';
import type { IntentOptions, ModelByIntent } from '../../../src/runtime/convert_by_intent.ts';
import { calibrated } from './calibrated.ts';
import type { Calibrated } from './calibrated.ts';

/** What needs no GPU: predictions from statistics, and refusals. */

let checkpoint: Checkpoint;
let model: Calibrated;
beforeAll(async () => {
  const fixture = fileURLToPath(new URL('../../fixtures/llama_bias', import.meta.url));
  checkpoint = await openCheckpoint(await openNodeFiles(fixture));
  const row = Array.from({ length: 32 }, (_, i) => 3 + ((i * 29) % 90));
  model = await calibrated('llama_bias', [row, row.toReversed()]);
});

async function convert(
  intent: Omit<IntentOptions['intent'], 'method'>,
  options: Partial<IntentOptions> = {},
): Promise<ModelByIntent> {
  return convertByIntent(checkpoint, {
    intent: { method: 'webmla', ...intent },
    calibration: { rows: [], refitRows: 0, statistics: model.statistics },
    gpu: async () => Promise.reject(new Error('no GPU expected')),
    weights: 'as-is',
    onProgress: () => {},
    ...options,
  });
}

test('the least expected loss decides, and the report says that nothing was measured', async () => {
  const { report, reports, latent } = await convert({ kvBudget: 0.5 });
  expect(report).toMatchObject({ heldOut: null, better: null, decode: null, refitUndone: false });
  expect(report.candidates.length).toBe(9);
  const losses = report.candidates.map(({ expectedLoss }) => expectedLoss!);
  expect(losses).toEqual(losses.toSorted((a, b) => a - b));
  expect(losses[0]).toBeGreaterThan(0);
  expect(report.candidates.every(({ measured }) => measured === null)).toBe(true);
  expect(report.candidates[0]).toMatchObject({ form: report.chosen.form, row_dim: report.chosen.row_dim });
  expect(report.chosen.bytes).toBeLessThanOrEqual(0.5 * report.gqaBytes);
  expect(latent.cacheDtype).toBe(report.chosen.cacheDtype);
  for (const { outputEnergy, predictedError } of reports) {
    expect(predictedError!).toBeGreaterThan(0);
    expect(outputEnergy!).toBeGreaterThan(predictedError!);
  }
});

test('a form or a dtype that is given stays; both leave nothing to search', async () => {
  const recon = await convert({ kvBudget: 0.5, form: 'recon' });
  expect(new Set(recon.report.candidates.map(({ form }) => form))).toEqual(new Set(['recon']));
  const int8 = await convert({ kvBudget: 0.75, cacheDtype: 'int8' });
  expect(new Set(int8.report.candidates.map(({ cacheDtype }) => cacheDtype))).toEqual(new Set(['int8']));
  const both = await convert({ kvBudget: 0.75, cacheDtype: 'int8', form: 'strict' });
  expect(both.report).toMatchObject({ candidates: [], chosen: { form: 'strict', cacheDtype: 'int8' } });
});

test('what makes no sense is refused before the GPU is asked for', async () => {
  const code = async (
    intent: Omit<IntentOptions['intent'], 'method'>,
    options: Partial<IntentOptions> = {},
  ): Promise<string> =>
    convert(intent, options).then(
      () => 'none',
      (error: { code: string }) => error.code,
    );
  expect(await code({ kv_lora_rank: 80 })).toBe('bad_request');
  expect(await code({ kvBudget: 0.01 })).toBe('bad_request');
  expect(await code({ kvBudget: 0.5, maxLoss: 0.1 })).toBe('bad_request');
  expect(await code({ kvBudget: 0.5 }, { search: { candidates: 0 } })).toBe('bad_request');
  // A loss has to be measured, and statistics have no rows.
  expect(await code({ maxLoss: 0.1 })).toBe('bad_request');
  expect(await code({ kvBudget: 0.5 }, { signal: AbortSignal.abort() })).toBe('aborted');
});

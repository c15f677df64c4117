import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { beforeAll, describe, expect, test } from 'vitest';
import { filesOf } from '../../../src/formats/local_files.ts';
import { openCheckpoint } from '../../../src/formats/open_checkpoint.ts';
import { architectureOf } from '../../../src/model/architecture.ts';
import { statisticsFile } from '../../../src/runtime/model_statistics.ts';
import { WeightReader } from '../../../src/runtime/weight_reader.ts';
import { Workbench } from '../../../src/runtime/workbench.ts';
import type {
  WorkbenchProgress,
  WorkbenchRequest,
  WorkbenchResult,
} from '../../../src/runtime/workbench_types.ts';
import { directStatistics } from '../../direct_statistics.ts';
import { errorOf } from '../formats/typed_error.ts';

/** What a workbench does without a GPU: statistics come from a file, nothing is refitted, nothing measured. */

const filesIn = (name: string): File[] => {
  const folder = fileURLToPath(new URL(`../../fixtures/${name}`, import.meta.url));
  return ['config.json', 'model.safetensors'].map(
    (file) => new File([readFileSync(join(folder, file))], file),
  );
};
const model = filesIn('llama_bias');

let statistics: File;
let request: WorkbenchRequest;
let bench: Workbench;
beforeAll(async () => {
  const checkpoint = await openCheckpoint(filesOf(model));
  const { config } = checkpoint;
  const reader = new WeightReader(checkpoint, architectureOf(config), 'f32', undefined);
  const layers = await Promise.all(
    Array.from({ length: config.num_hidden_layers }, (_, i) => reader.layer(i)),
  );
  const rows = [1, 2].map((seed) => Array.from({ length: 24 }, (_, i) => (seed * 31 + i * i * 7) % 97));
  const direct = directStatistics(config, await reader.ends(), layers, rows);
  statistics = new File(
    statisticsFile(
      checkpoint,
      direct.map((layer) => layer.statistics),
    ),
    'statistics.safetensors',
  );
  request = {
    key: 'a',
    model,
    goal: 'convert',
    choice: {
      method: 'webmla',
      form: 'reuse',
      exportable: false,
      cacheDtype: 'f16',
      kvBudget: 0.5,
      options: {},
    },
    refit: false,
    text: '',
    calibrationTokens: 64,
    statistics,
    predict: true,
  };
  bench = new Workbench({ gpu: undefined, threads: null });
});

async function run(
  change: Partial<WorkbenchRequest> = {},
  on = bench,
): Promise<WorkbenchResult & { told: WorkbenchProgress[] }> {
  const told: WorkbenchProgress[] = [];
  const result = await on.run(
    { ...request, ...change },
    (one) => told.push(one),
    new AbortController().signal,
  );
  return { ...result, told };
}

const stages = ({ stages: all }: WorkbenchResult): string[] => all.map(({ stage }) => stage);

test('reads, predicts and converts, and does not do again what it did', async () => {
  const opened = await run({ goal: 'open' });
  expect(opened.conversion).toBeNull();
  expect(opened.told.find(({ type }) => type === 'subject')).toMatchObject({
    subject: { modelType: 'llama', gqaBytes: { f16: expect.any(Number) } },
  });

  const first = await run();
  expect(stages(first)).toEqual(['read', 'calibrate', 'predict', 'convert']);
  const curve = first.told.find((one) => one.type === 'curve');
  const errors = curve?.curve.points.map(({ error }) => error) ?? [];
  expect(errors.length).toBeGreaterThan(3);
  expect(errors).toEqual(errors.toSorted((a, b) => b - a));
  expect(errors.at(-1)).toBeLessThan(1e-3);

  const { conversion } = first;
  expect(conversion).toMatchObject({ form: 'reuse', refit: false, quality: null, calibrationTokens: 48 });
  const subject = first.told.find((one) => one.type === 'subject')?.subject;
  expect(conversion?.kvBytesPerToken).toBeLessThanOrEqual((subject?.gqaBytes.f16 ?? 0) / 2);
  expect(conversion?.layerBytes.reduce((sum, bytes) => sum + bytes, 0)).toBe(conversion?.kvBytesPerToken);
  expect(conversion?.files.at(-1)?.name).toBe('config.json');
  const made = await openCheckpoint(filesOf(conversion?.files ?? []));
  expect(made.latent).toMatchObject({ method: 'webmla', cacheDtype: 'f16' });

  const again = await run({ choice: { ...request.choice, method: 'webmla', kvBudget: 0.25 } as never });
  expect(stages(again)).toEqual(['read', 'convert']);
  // The converted model is no GQA checkpoint.
  const twice = run({ key: 'b', model: [...(conversion?.files ?? [])] });
  expect(await errorOf(twice)).toMatchObject({ code: 'unsupported' });
});

test('exact needs no statistics', async () => {
  const made = await run({ key: 'exact', choice: { method: 'exact', cacheDtype: 'f32' }, statistics: null });
  expect(stages(made)).toEqual(['read', 'convert']);
  expect(made.conversion).toMatchObject({ form: 'strict', refit: false, calibrationTokens: 0 });
});

describe('what cannot be done', () => {
  test.each<[string, () => Partial<WorkbenchRequest>, string, RegExp]>([
    [
      'statistics of another model',
      () => ({ key: 'c', model: filesIn('mistral_mha') }),
      'bad_request',
      /statistics of/,
    ],
    ['text without a tokenizer', () => ({ refit: true }), 'missing_file', /tokenizer.json/],
    [
      'a rank above what the model has',
      () => ({
        choice: { ...request.choice, kvBudget: undefined, kv_lora_rank: 9999 } as never,
        predict: false,
      }),
      'bad_request',
      /kv_lora_rank: expected at most/,
    ],
    ['no model', () => ({ key: 'd', model: [new File([''], 'readme.txt')] }), 'missing_file', /config.json/],
  ])('%s', async (_, change, code, message) => {
    const error = await errorOf(run(change()));
    expect(error.code).toBe(code);
    expect(error.message).toMatch(message);
  });

  test('cancelled', async () => {
    const cancelled = new Workbench({ gpu: undefined, threads: null }).run(
      request,
      () => {},
      AbortSignal.abort(),
    );
    expect(await errorOf(cancelled)).toMatchObject({ code: 'aborted' });
  });
});

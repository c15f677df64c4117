import { describe, expect, test } from 'vitest';
import { cacheBytesPerToken } from '../../../src/core/cache_rows.ts';
import type { Subject } from '../../../src/conversion.ts';
import { curveOf } from '../../../src/runtime/budget_curve.ts';
import type { Probe } from '../../../src/runtime/budget_curve.ts';
import { autoResult, folderName, percentOf, titleOf } from '../../../src/demo/convert/conversion_record.ts';
import type { ConversionRecord } from '../../../src/demo/convert/conversion_record.ts';
import {
  choiceOf,
  formFailure,
  parseConversion,
  planOf,
  usualConversion,
} from '../../../src/demo/convert/convert_settings.ts';
import { errorAt, placedCurve } from '../../../src/demo/convert/curve.ts';
import { materialFrom } from '../../../src/demo/convert/dropped_material.ts';
import { StageTracker } from '../../../src/demo/convert/stage_tracker.ts';
import { decades, powerOfTen, smallShare, steps } from '../../../src/demo/convert/ticks.ts';
import { addressOf, groupStored } from '../../../src/demo/stored_groups.ts';

/** Parts of convert.html that need neither a browser nor a GPU. */

const subject: Subject = {
  name: 'tiny-chat',
  modelType: 'llama',
  parameters: 22.6e6,
  layers: 12,
  heads: 6,
  groups: 3,
  head_dim: 64,
  contextLength: 4096,
  gqaBytes: { f32: 18_432, f16: 9216, int8: 5184, int4: 2880 },
};
const usual = usualConversion(false);

describe('what a budget buys', () => {
  test('in f16 half the bytes are half the values', () => {
    expect(planOf(subject, usual)).toEqual({ bytes: 4608, share: 0.5 });
    expect(planOf(subject, { ...usual, cacheDtype: 'f32' })?.bytes).toBe(4608);
  });

  test('quantised rows count their scales and stay within the budget', () => {
    for (const cacheDtype of ['int8', 'int4'] as const) {
      const plan = planOf(subject, { ...usual, kvBudget: 0.25, cacheDtype });
      expect(plan?.bytes).toBeLessThanOrEqual(0.25 * 9216);
      expect(plan?.bytes).toBeGreaterThan(0.22 * 9216);
    }
  });

  test('exact keeps what there is, and widths speak for themselves', () => {
    expect(planOf(subject, { ...usual, method: 'exact', cacheDtype: 'int8' })?.bytes).toBe(5184);
    const wide = { ...usual, rank: '128', rope: '32' };
    const bytes = cacheBytesPerToken({ groups: 1, row_dim: 160, split_dim: 128 }, 'f16');
    expect(planOf(subject, wide)?.bytes).toBe(12 * bytes);
    expect(planOf(subject, { ...wide, form: 'recon' })?.bytes).toBe(12 * 128 * 2);
    expect(planOf(subject, { ...wide, rank: '9000' })).toBeNull();
    expect(choiceOf(wide)).toMatchObject({ kv_lora_rank: 128, qk_rope_head_dim: 32 });
    expect(choiceOf(wide)).not.toHaveProperty('kvBudget');
  });

  test('forms that are not filled in say so', () => {
    expect(formFailure(usual)).toBeNull();
    expect(formFailure({ ...usual, rank: 'many' })?.message).toContain(
      'kv_lora_rank: expected a whole number',
    );
    expect(formFailure({ ...usual, rank: '64', rope: '7' })?.message).toContain('qk_rope_head_dim');
  });

  test('stored nonsense falls back', () => {
    const stored = { method: 'magic', kvBudget: 7, cacheDtype: 'int4', refit: 'off', calibrationTokens: 'x' };
    expect(parseConversion(stored, usual)).toEqual({ ...usual, cacheDtype: 'int4', refit: false });
    expect(parseConversion({ kvBudget: '0.25' }, usual).kvBudget).toBe(0.25);
  });
});

describe('the curve', () => {
  /** A layer with eigenvalues 2^-i, made at a rank. */
  const report = (pairs: number, rank: number, fixed: number): Probe => {
    const values = Array.from({ length: 32 - 2 * pairs }, (_, i) => 2 ** -i);
    const dropped = values.slice(rank);
    return {
      ropePairs: Array.from({ length: pairs }, (_, i) => i),
      spectrum: { kept: values.slice(0, rank), dropped },
      predictedError: dropped.reduce((sum, value) => sum + value, 0) + fixed,
    };
  };
  const few = report(2, 4, 0.5);
  const many = report(6, 8, 0.001);

  test('takes the better number of rope pairs at every width, and agrees with what was made', () => {
    const points = curveOf([[few], [many]], 'reuse', 32);
    expect(points.map(({ row_dim }) => row_dim)).toEqual([8, 12, 16, 20, 24, 28, 32]);
    const all = Math.max(2.5, 2.001);
    const at = (row_dim: number): number => points.find((point) => point.row_dim === row_dim)?.error ?? NaN;
    expect(at(8)).toBeCloseTo((few.predictedError ?? 0) / all, 5);
    expect(at(20)).toBeCloseTo((many.predictedError ?? 0) / all, 5);
    points.reduce((before, { error }) => {
      expect(error).toBeLessThanOrEqual(before);
      return error;
    }, 1);
  });

  test('recon pays for no rope pairs', () => {
    const [first] = curveOf([[few]], 'recon', 32);
    const [strict] = curveOf([[few]], 'strict', 32);
    expect(first?.error).toBeLessThan(strict?.error ?? 0);
  });

  test('a budget gets the widest row that it pays for', () => {
    const points = placedCurve(
      { form: 'reuse', points: curveOf([[few], [many]], 'reuse', 32) },
      { layers: 2 },
      'f16',
    );
    expect(points[0]?.bytes).toBe(2 * 8 * 2);
    expect(errorAt(points, 10)).toBeNull();
    expect(errorAt(points, 2 * 12 * 2 + 3)).toBe(points[1]?.error);
  });
});

test('stages make one bar that never goes back, and say how long it takes', () => {
  let now = 0;
  const tracker = new StageTracker(['read', 'calibrate', 'convert'], () => now);
  const take = (stage: 'read' | 'calibrate' | 'convert', loaded: number, total: number) =>
    tracker.take({ type: 'stage', stage, loaded, total, unit: 'layers', item: '' });
  take('read', 0, 0);
  now = 1000;
  expect(take('calibrate', 0, 12).detail).toBe('Calibrating layer 1 of 12');
  // Kernels are compiled until here.
  now = 9000;
  expect(take('calibrate', 3, 12).detail).toBe('Calibrating layer 4 of 12');
  now = 12_000;
  const view = take('calibrate', 6, 12);
  expect(view.detail).toBe('Calibrating layer 7 of 12, about 6.0 s left');
  expect(view.stages.map(({ done }) => done)).toEqual([1, 0.5, 0]);
  expect(take('calibrate', 3, 12).overall).toBe(view.overall);
  expect(take('convert', 12, 12).overall).toBeCloseTo(1);
});

test('bytes and rows in words', () => {
  const tracker = new StageTracker(['read', 'evaluate'], () => 0);
  const read = {
    type: 'stage',
    stage: 'read',
    loaded: 5e5,
    total: 1e6,
    unit: 'bytes',
    item: 'a.gguf',
  } as const;
  expect(tracker.take(read).detail).toBe('Reading a.gguf, 500 kB of 1.00 MB');
  const measure = { type: 'stage', stage: 'evaluate', loaded: 1, total: 2, unit: 'windows' } as const;
  expect(tracker.take({ ...measure, item: '' }).detail).toBe('Measuring row 1 of 2');
  expect(tracker.take({ ...measure, item: 'loading both models' }).detail).toBe(
    'Measuring: loading both models',
  );
});

test('ticks', () => {
  expect(decades(1e-4, 1, 5, smallShare).map(({ text }) => text)).toEqual([
    '100 %',
    '10 %',
    '1 %',
    '0.1 %',
    '0.01 %',
  ]);
  expect(decades(1e-8, 1, 5, powerOfTen).map(({ text }) => text)).toEqual([
    '1',
    '10⁻²',
    '10⁻⁴',
    '10⁻⁶',
    '10⁻⁸',
  ]);
  expect(steps(384, String).map(({ value }) => value)).toEqual([0, 100, 200, 300]);
  expect([0, 1e-6, 0.0213].map(smallShare)).toEqual(['0 %', '< 0.01 %', '2.1 %']);
  expect([0.5, 0.075, 1].map(percentOf)).toEqual(['50 %', '7.5 %', '100 %']);
});

test('a conversion has a title, a folder and a result', () => {
  const record: ConversionRecord = {
    id: 1,
    subject: { ...subject, name: 'Some Model/7%.gguf' },
    conversion: {
      method: 'webmla',
      form: 'recon',
      cacheDtype: 'int4',
      refit: false,
      layers: [{ kvLoraRank: 8, qkRopeHeadDim: 4 }],
      layerBytes: [16],
      kvBytesPerToken: 2304,
      reports: [],
      calibrationTokens: 64,
      quality: null,
      timings: { calibrateMs: 1, convertMs: 2, algebraMs: 3, evaluateMs: 0 },
    },
    stages: [],
  };
  expect(titleOf(record)).toBe('recon, 25 %, int4, no refit');
  expect(folderName(record)).toBe('Some_Model_7_-recon-2304B-int4');
  const result = autoResult(record);
  expect(result).toMatchObject({ form: 'recon', layers: [{ kvLoraRank: 8, qkRopeHeadDim: 4 }] });
  expect(JSON.parse(JSON.stringify(result))).toEqual(result);
});

test('dropped files that are no model', async () => {
  const text = new File(['some words'], 'words.TXT');
  expect(await materialFrom([text])).toEqual({ kind: 'own', text: 'some words' });
  const statistics = new File(['12345678{"__metadata__":{"webmla.statistics":"{}"}}'], 'a.safetensors');
  expect(await materialFrom([statistics])).toEqual({ kind: 'statistics', file: statistics });
  expect(await materialFrom([new File(['12345678{}'], 'model.safetensors')])).toBeNull();
  expect(await materialFrom([text, statistics])).toBeNull();
});

test('models that are kept can be asked for again', () => {
  const stored = (...urls: string[]) => ({ sha256: urls[0] ?? '', bytes: 1, urls, lastUsed: 0 });
  const addresses = groupStored([
    stored('https://huggingface.co/a/b/resolve/main/model.safetensors'),
    stored('https://huggingface.co/a/b/resolve/main/config.json'),
    stored('https://x.org/models/one.gguf'),
    stored('https://x.org/site/tiny/model.safetensors'),
    stored('https://x.org/words/readme.txt'),
  ]).map(addressOf);
  expect(addresses).toEqual([
    'https://huggingface.co/a/b',
    'https://x.org/models/one.gguf',
    'https://x.org/site/tiny/',
    null,
  ]);
});

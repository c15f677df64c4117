import { describe, expect, test } from 'vitest';
import {
  parseLengths,
  parseSettings,
  requestOf,
  usualSettings,
} from '../../src/demo/bench/bench_settings.ts';
import { labelled, roundTop, shareOf } from '../../src/demo/plot_scale.ts';
import { figure, kernelViews, markdownOf, resultOf } from '../../src/demo/verify/verify_result.ts';
import type { Verification } from '../../src/verify/verify_device.ts';

/** Parts of the tool pages that need no browser. */

test('lists of lengths', () => {
  expect(parseLengths(' 1024, 128;128 ')).toEqual([128, 1024]);
  expect(parseLengths('')).toEqual([]);
  for (const wrong of ['a', '-1', '0', '1.5', '12345678', '1,'.repeat(13)]) {
    expect(parseLengths(wrong)).toBeNull();
  }
});

test('what is asked of the worker', () => {
  const settings = usualSettings(false);
  expect(requestOf(settings)).toEqual({
    subject: { shape: 'smollm2-135m' },
    attention: 'gqa',
    cacheDtype: 'f16',
    contexts: [128, 1024],
    prefill: [512],
    prefillMath: 'exact',
  });
  expect(requestOf(parseSettings({ prefillMath: 'int8' }, settings))?.prefillMath).toBe('int8');
  const latent = { form: 'recon', kvBudget: 0.25 } as const;
  expect(requestOf({ ...settings, latent })?.subject).toEqual({ shape: 'smollm2-135m' });
  expect(requestOf({ ...settings, latent, attention: 'mla' })).toMatchObject({
    subject: { shape: 'smollm2-135m', latent: { ...latent, cacheDtype: 'f16' } },
  });
  expect(requestOf({ ...settings, contexts: '', prefill: '' })).toBeNull();
  expect(requestOf({ ...settings, subject: 'address', address: ' ' })).toBeNull();
});

test.each([
  [{}, null],
  [{ kvBudget: '0.25' }, { form: 'reuse', kvBudget: 0.25 }],
  [{ form: 'recon' }, { form: 'recon', kvBudget: 0.25 }],
  [
    { kvBudget: '0.5', form: 'strict' },
    { form: 'strict', kvBudget: 0.5 },
  ],
  [{ kvBudget: '2' }, null],
  [{ latent: { form: 'recon', kvBudget: 0.5 } }, { form: 'recon', kvBudget: 0.5 }],
  [{ latent: null }, null],
])('the latent form that %j asks for', (stored, latent) =>
  expect(parseSettings(stored, usualSettings(true)).latent).toEqual(latent),
);

describe('the plot', () => {
  test('ends above the fastest, at a round number', () => {
    for (const value of [0.3, 7, 12, 99, 100, 253, 1041]) {
      const { top, step } = roundTop(value);
      expect(top).toBeGreaterThanOrEqual(value);
      expect(top - value).toBeLessThan(step);
      expect(Math.round(top / step)).toBeLessThanOrEqual(5);
    }
  });

  test('contexts double from place to place', () => {
    expect([128, 1024, 8192].map((context) => shareOf(context, [128, 1024, 8192]))).toEqual([0, 0.5, 1]);
    expect(shareOf(128, [128])).toBe(0.5);
    expect(labelled([0, 10, 50, 60, 100], 44)).toEqual([true, false, true, false, true]);
  });
});

describe('what came of the kernels', () => {
  const verification: Verification = {
    adapter: {
      vendor: 'v',
      architecture: 'a',
      description: '',
      software: false,
      features: [],
      subgroupSize: 4,
      packedDot: true,
    },
    kernels: ['matvec', 'rms_norm', 'sample'],
    now: { kernel: 'rms_norm', done: 1, total: 3 },
    leftOut: {},
    cases: [
      { kernel: 'matvec', case: 'one', error: 1e-6, tolerance: 2e-5, passed: true, worst: '' },
      {
        kernel: 'matvec',
        case: 'two',
        error: Infinity,
        tolerance: 2e-5,
        passed: false,
        worst: 'out[0]: NaN',
      },
      { kernel: 'rms_norm', case: 'one', error: 0, tolerance: 0, passed: true, worst: '' },
    ],
  };

  test('each kernel has its state and its worst case', () => {
    const views = kernelViews(verification, true);
    expect(views.map(({ state, done, total }) => [state, done, total])).toEqual([
      ['failed', 2, 2],
      ['running', 1, 3],
      ['waiting', 0, null],
    ]);
    expect(views[0]?.worst?.case).toBe('two');
  });

  test('the result can be written as JSON, and as Markdown', () => {
    const result = resultOf(verification);
    expect(result).toMatchObject({ passed: 2, failed: 1 });
    expect(JSON.parse(JSON.stringify(result))).toEqual(result);
    const text = markdownOf(verification);
    expect(text).toContain('2 cases passed, 1 failed, on v a.');
    expect(text).toContain('| matvec | 1 | 1 | ∞ of 2.0e-5 |');
    expect(text).toContain('- matvec, two: out[0]: NaN');
  });

  test('figures', () =>
    expect([0, 1.94e-6, 0.153, Infinity].map(figure)).toEqual(['0', '1.9e-6', '0.15', '∞']));
});

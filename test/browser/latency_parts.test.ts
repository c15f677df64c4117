import { describe, expect, test } from 'vitest';
import {
  csvOf,
  entrantsOf,
  factor,
  gainOf,
  loses,
  secondsText,
  verdictOf,
} from '../../src/demo/latency/latency_report.ts';
import type { LatencyReport } from '../../src/demo/latency/latency_report.ts';
import {
  contextsTo,
  fieldsOfSettings,
  parseSettings,
  parseSwept,
  requestOf,
  usualSettings,
} from '../../src/demo/latency/latency_settings.ts';
import { wrapped } from '../../src/demo/latency/picture.ts';
import { spreadApart } from '../../src/demo/latency/series_style.ts';
import type { SweepRow } from '../../src/measure.ts';

/** Parts of latency.html that need no browser. */

const GQA = { attention: 'gqa', form: 'gqa', cacheDtype: 'f16', kvBudget: null } as const;
const REUSE = { attention: 'mla', form: 'reuse', cacheDtype: 'f16', kvBudget: 0.5 } as const;

function row(
  setting: typeof GQA | typeof REUSE,
  context: number,
  decodeMs: number,
  gqaMs: number | null,
): SweepRow {
  return {
    ...setting,
    context,
    filled: 'real',
    decodeMs,
    runsMs: [decodeMs, decodeMs],
    spread: 0,
    gqaMs,
    predictedMs: null,
    kvBytes: context * 100,
    weightBytesPerToken: 1000,
    dispatchesPerToken: 76,
    streamingShare: null,
  };
}

function report(context: number | null, found = true): LatencyReport {
  const gain = context === null ? 0.8 : 1.25;
  return {
    adapter: {
      vendor: 'v',
      architecture: 'a',
      description: 'a "GPU", of ours',
      software: false,
      features: [],
    },
    features: ['timestamp-query'],
    software: false,
    model: 'tiny',
    modelContext: 4096,
    streamingGBs: null,
    rows: [
      row(REUSE, 1024, 2 / gain, 2),
      row(GQA, 1024, 2, null),
      row(REUSE, 128, 1.25, 1),
      row(GQA, 128, 1, null),
    ],
    prefill: [{ ...GQA, tokens: 32, ms: 10 }],
    crossover: context,
    crossovers: [{ ...REUSE, context, found, predicted: null }],
    quality: [{ ...REUSE, kvBytesPerToken: 50, perplexity: 20, kl: 0.25, top1Agreement: 0.9, tokens: 95 }],
    calibrationTokens: 128,
    memory: [],
    seconds: {
      opening: 0.2,
      converting: 0,
      loading: 1.26,
      compiling: 0.01,
      prefill: 0,
      filling: 0,
      decoding: 20.1,
      quality: 0,
      other: 0.1,
    },
    notes: ['one\nline'],
    date: '2026-11-22T00:00:00.000Z',
    browser: 'Browser/1',
    link: 'http://localhost/latency.html',
    complete: true,
    hidden: false,
  };
}

describe('the report', () => {
  test('collects what is known of each setting, shortest context first', () => {
    const [first, second] = entrantsOf(report(300));
    expect(first).toMatchObject({ number: 1, name: 'MLA reuse 50 % f16', quality: { kl: 0.25 } });
    expect(first?.rows.map(({ context }) => context)).toEqual([128, 1024]);
    expect(second).toMatchObject({ number: 2, name: 'GQA f16', crossover: null, prefill: { ms: 10 } });
    expect(gainOf(first?.rows[1])).toBeCloseTo(1.25);
    expect(gainOf(second?.rows[1])).toBeNull();
  });

  test.each([
    [
      300,
      true,
      'MLA reuse 50 % f16 is faster than GQA f16 from about 300 tokens on, and loses before: at 128 it is 1.25\u00a0× slower. At 1,024 it is 1.25\u00a0× as fast.',
    ],
    [
      null,
      false,
      'MLA reuse 50 % f16 is slower than GQA f16 at the end of 128 to 1,024 tokens: there is no crossover. At 1,024 it is 1.25\u00a0× slower.',
    ],
    [
      128,
      false,
      'MLA reuse 50 % f16 is faster than GQA f16 at every context from 128 to 1,024 tokens. At 1,024 it is 1.25\u00a0× as fast.',
    ],
  ])('says where it wins: %s', (context, found, sentence) =>
    expect(verdictOf(report(context, found))).toBe(sentence),
  );

  test('says nothing of one setting alone', () => {
    expect(verdictOf({ ...report(300), rows: [row(GQA, 128, 1, null)] })).toBeNull();
    expect(factor(1)).toBe('1.00\u00a0× as fast');
  });

  test('says where it loses and what it costs', () => {
    const judged = report(300);
    expect(judged.rows.map(loses)).toEqual([false, false, true, false]);
    const [mla] = judged.quality;
    const gqa = { ...GQA, kvBytesPerToken: 100, perplexity: 18.25, kl: 0, top1Agreement: 1, tokens: 95 };
    expect(verdictOf({ ...judged, quality: [gqa, ...(mla ? [mla] : [])] })).toMatch(
      /as fast\. Its perplexity is 20\.0 instead of 18\.3, its KL 0\.25\.$/,
    );
  });

  test('says where the time went', () =>
    expect(secondsText(report(300))).toBe(
      '22 s: opening 0.2 s, loading 1.3 s, decoding 20.1 s, other 0.1 s',
    ));

  test('as CSV: a line a row, each with what it holds for', () => {
    const lines = csvOf(report(null, false)).split('\r\n');
    expect(lines).toHaveLength(6);
    expect(lines[0]).toMatch(
      /^attention,form,cacheDtype,kvBudget,context,.*,perplexity,kl,model,.*,features,notes$/,
    );
    expect(lines[1]).toBe(
      'mla,reuse,f16,0.5,1024,real,2.5,0,2,,102400,1000,76,,2.5 2.5,20,0.25,tiny,v,a,"a ""GPU"", of ours",false,Browser/1,2026-11-22T00:00:00.000Z,timestamp-query,"one\nline"',
    );
    expect(lines[2]).toMatch(/^gqa,gqa,f16,,1024,real,2,0,,,/);
  });
});

describe('the settings', () => {
  test('come back from the address that they make', () => {
    const usual = usualSettings(true);
    const other = {
      ...usual,
      subject: 'address',
      address: 'owner/name',
      swept: parseSwept('exact-f16,recon-0.25-int4') ?? [],
      lanes: [usual.lanes[1], usual.lanes[0]],
      prompt: 'a & b',
      temperature: 0.7,
      filled: 'synthetic',
      quality: false,
    } as const;
    for (const settings of [usual, usualSettings(false), other]) {
      expect(parseSettings(fieldsOfSettings(settings), usualSettings(false))).toEqual({
        ...settings,
        ...(settings.subject === 'address' ? {} : { address: '' }),
      });
    }
    expect(parseSettings('nonsense', usual)).toEqual(usual);
    expect(parseSettings({ longest: '-1', seed: 'x', settings: 'what' }, usual)).toEqual(usual);
  });

  test('lists of settings', () => {
    expect(parseSwept('')).toEqual([]);
    expect(parseSwept('gqa-int8, gqa-int8')).toHaveLength(1);
    expect(parseSwept('gqa-int8,what')).toBeNull();
  });

  test.each([
    [64, [16, 64]],
    [100, [16, 64, 100]],
    [1024, [128, 256, 512, 1024]],
    [128, [16, 64, 128]],
  ])('contexts to %i', (longest, contexts) => expect(contextsTo(longest)).toEqual(contexts));

  test('what is asked of the worker', () => {
    const settings = { ...usualSettings(false), subject: 'smollm2-135m' } as const;
    expect(requestOf('sweep', settings, false)).toMatchObject({
      kind: 'sweep',
      subject: { shape: 'smollm2-135m' },
      contexts: [128, 256, 512, 1024, 2048, 4096],
      filled: 'synthetic',
      heldOut: { windowTokens: 512 },
    });
    expect(requestOf('sweep', { ...settings, quality: false }, false)).toMatchObject({ heldOut: null });
    expect(requestOf('lanes', { ...settings, prompt: ' ' }, false)).toBeNull();
    expect(requestOf('sweep', { ...settings, subject: 'address' }, false)).toBeNull();
  });
});

describe('the plots', () => {
  test.each([
    [
      [10, 12, 50],
      [10, 24, 50],
    ],
    [
      [50, 12, 10],
      [50, 24, 10],
    ],
    [
      [98, 99],
      [86, 100],
    ],
    [[], []],
  ])('places %j move apart', (places, expected) => expect(spreadApart(places, 14, 0, 100)).toEqual(expected));

  test('lines of the picture', () => {
    expect(wrapped('a bc def', 4)).toEqual(['a bc', 'def']);
    expect(wrapped('abcdefgh ij', 3)).toEqual(['abc', 'def', 'gh', 'ij']);
    expect(wrapped('', 3)).toEqual([]);
  });
});

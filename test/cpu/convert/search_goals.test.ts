import { describe, expect, test } from 'vitest';
import { attentionShape } from '../../../src/convert/attention_shape.ts';
import { openFamilies, plainCache } from '../../../src/convert/candidates.ts';
import type { Candidate, Intent } from '../../../src/convert/candidates.ts';
import { goalOf } from '../../../src/convert/goal.ts';
import type { CandidateReport, Measured } from '../../../src/convert/report.ts';
import { betterRival, winnerOf } from '../../../src/convert/verdict.ts';
import { holdBack } from '../../../src/runtime/held_back_rows.ts';

/** What stands before and behind a search, for SmolLM2's shape. */

const LAYERS = 30;
const shape = attentionShape({
  num_attention_heads: 9,
  num_key_value_heads: 3,
  head_dim: 64,
  rope_scaling: { rope_type: 'default' },
});
const OPEN: Intent = { method: 'webmla' };

describe('what is asked for', () => {
  const code = (intent: Intent): string => {
    try {
      return goalOf(shape, LAYERS, intent).kind;
    } catch (error) {
      return (error as { code: string }).code;
    }
  };

  test('what is left open', () => {
    expect(code({ ...OPEN, kvBudget: 0.5 })).toBe('budget');
    expect(code({ ...OPEN, kvBudget: 0.5, form: 'recon' })).toBe('budget');
    expect(code({ ...OPEN, kvBudget: 0.5, form: 'recon', cacheDtype: 'int8' })).toBe('fixed');
    expect(code({ ...OPEN, maxLoss: 0.1, form: 'recon', cacheDtype: 'int8' })).toBe('loss');
    expect(code({ ...OPEN, kv_lora_rank: 128 })).toBe('fixed');
    expect(code({ method: 'transmla', kvBudget: 0.5 })).toBe('fixed');
    const forms = (intent: Intent): string[] => [...new Set(openFamilies(intent).map(({ form }) => form))];
    expect(forms(OPEN)).toEqual(['reuse', 'recon', 'strict']);
    expect(forms({ ...OPEN, exportable: true })).toEqual(['strict']);
    expect(openFamilies(OPEN).some(({ cacheDtype }) => cacheDtype === 'f32')).toBe(false);
    expect(openFamilies({ ...OPEN, cacheDtype: 'f32' }).length).toBe(3);
  });

  test('what cannot be', () => {
    const wrong: Partial<Intent>[] = [
      {},
      { kvBudget: 0.5, maxLoss: 0.1 },
      { kvBudget: 0 },
      { kvBudget: 1.5 },
      { kvBudget: 0.001 },
      { maxLoss: 0 },
      { maxLoss: NaN },
      { method: 'transmla', maxLoss: 0.1 },
      { method: 'mha2mla', kvBudget: 0.5, form: 'recon' },
      { exportable: true, form: 'reuse', kvBudget: 0.5 },
      { kv_lora_rank: 512 },
    ];
    for (const one of wrong) expect(code({ ...OPEN, ...one })).toBe('bad_request');
  });
});

describe('verdicts', () => {
  const report = (one: Candidate, rise: number | null): CandidateReport => ({
    ...one,
    expectedLoss: null,
    estimatedRise: null,
    measured: rise === null ? null : { bytes: one.bytes, rise, perplexity: 20 },
  });
  const int8 = plainCache(shape, LAYERS, 'int8');
  const int4 = plainCache(shape, LAYERS, 'int4');
  const rivals = [report(int8, 0.001), report(int4, 0.05)];
  const budget = goalOf(shape, LAYERS, { ...OPEN, kvBudget: 0.6 });
  const loss = goalOf(shape, LAYERS, { ...OPEN, maxLoss: 0.1 });
  const own = (bytes: number, rise: number): Measured => ({ bytes, rise, perplexity: 20 });

  test('a budget: the rival that loses least, if it loses less', () => {
    expect(betterRival(rivals, own(12_000, 0.02), budget)).toBe(rivals[0]);
    expect(betterRival(rivals, own(12_000, 0.0005), budget)).toBeNull();
    expect(betterRival([report(int8, null), rivals[1]!], own(9000, 0.02), budget)).toBeNull();
  });

  test('a loss: the rival of fewest bytes, if they are fewer', () => {
    expect(betterRival(rivals, own(9000, 0.09), loss)).toBe(rivals[1]);
    expect(betterRival(rivals, own(5000, 0.09), loss)).toBeNull();
  });

  test('nothing within the loss: what came nearest, and the rival that does', () => {
    const strict = { form: 'strict', cacheDtype: 'int4', row_dim: 384, bytes: 7200 } as const;
    const tried = [report({ ...strict, row_dim: 200 }, 0.9), report(strict, 0.3)];
    const refused = (): Candidate => winnerOf(loss, { chosen: null, candidates: tried }, rivals);
    expect(refused).toThrow('the best of 2 measured reaches 0.3000 (strict int4, 384 values)');
    expect(refused).toThrow(
      expect.objectContaining({ code: 'bad_request', details: { best: tried[1], rival: rivals[1] } }),
    );
    expect(winnerOf(loss, { chosen: tried[1]!, candidates: tried }, rivals)).toEqual(strict);
  });
});

describe('rows that are held back', () => {
  const rows = (count: number): Uint32Array<ArrayBuffer>[] =>
    Array.from({ length: count }, (_, i) => Uint32Array.from([i, i, i]));
  const firsts = (some: readonly Uint32Array[]): number[] => some.map(([first]) => first!);

  test('at even distances, and each row once', () => {
    const { held, rest } = holdBack(rows(16), { needed: false, leave: 1 });
    expect(firsts(held)).toEqual([2, 6, 10, 14]);
    expect(rest.length).toBe(12);
    expect(firsts(holdBack(rows(5), { needed: true, leave: 1 }).held)).toEqual([2]);
    expect(holdBack(rows(3), { windows: 3, needed: true, leave: 0 }).rest).toEqual([]);
    expect(holdBack(rows(1), { needed: false, leave: 1 }).held).toEqual([]);
    expect(holdBack([], { needed: false, leave: 1 })).toEqual({ held: [], rest: [] });
  });

  test('too few', () => {
    const refused = (count: number, windows: number | undefined): string => {
      try {
        holdBack(rows(count), { windows, needed: true, leave: 1 });
        return 'none';
      } catch (error) {
        return (error as { code: string }).code;
      }
    };
    expect(refused(1, undefined)).toBe('bad_request');
    expect(refused(0, undefined)).toBe('bad_request');
    expect(refused(4, 4)).toBe('bad_request');
    expect(refused(4, 1.5)).toBe('bad_request');
    expect(refused(2, undefined)).toBe('none');
  });
});

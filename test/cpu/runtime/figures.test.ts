import { describe, expect, test } from 'vitest';
import { crossover, drift, median, spread } from '../../../src/runtime/figures.ts';
import type { Point } from '../../../src/runtime/figures.ts';

describe('medians and spreads', () => {
  test.each([
    [[3, 1, 2], 2, 1],
    [[4, 1, 2, 3], 2.5, 1.2],
    [[5], 5, 0],
    [[10, 10, 40], 10, 3],
  ])('of %j', (values, middle, wide) => {
    expect(median(values)).toBe(middle);
    expect(spread(values)).toBeCloseTo(wide);
  });

  test('of nothing', () => {
    expect(median([])).toBeNaN();
    expect(spread([])).toBe(0);
  });
});

describe('drift', () => {
  test.each([
    [[], 0],
    [[5], 0],
    [[10, 99, 11], 0.1],
    [[10, 8], -0.25],
    [[8, 10], 0.25],
  ])('of %j', (values, expected) => expect(drift(values)).toBeCloseTo(expected));
});

describe('the crossover', () => {
  const contexts = [128, 256, 512, 1024];
  const line = (times: readonly number[]): Point[] =>
    times.flatMap((ms, i) => ({ context: contexts[i] ?? 0, ms }));
  const gqa = line([1, 2, 4, 8]);

  test.each([
    ['loses everywhere', [2, 3, 5, 9], null],
    ['loses at the end', [0.5, 1, 2, 9], null],
    ['is never faster than equal', [1, 2, 4, 8], null],
    ['wins everywhere', [0.5, 1, 2, 4], { context: 128, found: false }],
    // One behind at 256, one ahead at 512: half the way, in doublings.
    ['wins from the middle on', [2, 3, 3, 4], { context: Math.round(256 * Math.SQRT2), found: true }],
    // Three behind at 512, one ahead at 1,024.
    ['wins late', [2, 3, 7, 7], { context: Math.round(512 * 2 ** 0.75), found: true }],
    // What it won before it lost again does not count.
    ['wins, loses and wins', [0.5, 3, 3, 4], { context: Math.round(256 * Math.SQRT2), found: true }],
    ['equals and then wins', [2, 2, 2, 4], { context: 256, found: true }],
  ])('of one that %s', (_, times, expected) => expect(crossover(gqa, line(times))).toEqual(expected));

  test('counts the contexts that both have, in whatever order', () => {
    const some = line([2, 3, 3, 4]).slice(1).toReversed();
    expect(crossover(gqa, some)).toEqual({ context: Math.round(256 * Math.SQRT2), found: true });
    expect(crossover(gqa, [{ context: 64, ms: 0 }])).toBeNull();
    expect(crossover([], [])).toBeNull();
  });
});

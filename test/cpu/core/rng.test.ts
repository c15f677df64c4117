import { describe, expect, test } from 'vitest';
import { pcg3d, uniform } from '../../../src/core/rng.ts';

describe('uniform', () => {
  test('is reproducible, never 0 or 1, and flat', () => {
    expect(pcg3d(1, 2, 3)).toBe(pcg3d(1, 2, 3));
    const bins = new Uint32Array(16);
    for (let position = 0; position < 100; position++) {
      for (let index = 0; index < 160; index++) {
        const u = uniform(42, position, index);
        expect(u > 0 && u < 1).toBe(true);
        bins[Math.floor(u * 16)]! += 1;
      }
    }
    // Chi-square with 15 degrees of freedom: beyond 37.7 in one of a thousand.
    const chi = bins.reduce((sum, count) => sum + (count - 1000) ** 2 / 1000, 0);
    expect(chi).toBeLessThan(37.7);
  });

  test('neighbouring seeds, positions and indices are unrelated', () => {
    const pairs = (of: (i: number) => [number, number]): number => {
      let sum = 0;
      for (let i = 0; i < 5000; i++) {
        const [a, b] = of(i);
        sum += (a - 0.5) * (b - 0.5) * 12;
      }
      return Math.abs(sum / 5000);
    };
    expect(pairs((i) => [uniform(i, 5, 9), uniform(i + 1, 5, 9)])).toBeLessThan(0.06);
    expect(pairs((i) => [uniform(3, i, 9), uniform(3, i + 1, 9)])).toBeLessThan(0.06);
    expect(pairs((i) => [uniform(3, 5, i), uniform(3, 5, i + 1)])).toBeLessThan(0.06);
  });
});

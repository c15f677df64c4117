import * as fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import { rowWidth, widestRow } from '../../../src/convert/budget.ts';
import { CACHE_FORMATS, cacheBytesPerToken } from '../../../src/core/cache_rows.ts';

/** SmolLM2-135M: three KV heads of 64. */
const SMOLLM2 = { width: 192 };

describe('the row that a budget pays for', () => {
  test.each([
    ['f16', 0.5, 192, 384],
    ['int8', 0.5, 336, 384],
    ['int4', 0.25, 296, 188],
    ['int4', 0.165, 192, 124],
  ] as const)('%s at %d of SmolLM2: %d values, %d bytes', (cacheDtype, share, values, bytes) => {
    expect(rowWidth(SMOLLM2, share, cacheDtype)).toBe(values);
    expect(widestRow(values, cacheDtype)).toBe(bytes);
  });

  test.each([8, 4])(
    'a rope key of any multiple of %d stays within the budget, and no wider row would',
    (step) => {
      fc.assert(
        fc.property(
          fc.integer({ min: 1, max: 64 }).map((n) => 8 * n),
          fc.double({ min: 0.02, max: 1, noNaN: true }),
          fc.constantFrom(...CACHE_FORMATS),
          (width, budget, cacheDtype) => {
            const most = 4 * width * budget;
            fc.pre(widestRow(8, cacheDtype, step) <= most);
            const row_dim = rowWidth({ width }, budget, cacheDtype, step);
            expect(row_dim % 4).toBe(0);
            for (let rope = 0; rope <= row_dim; rope += step) {
              const shape = { groups: 1, row_dim, split_dim: row_dim - rope };
              expect(cacheBytesPerToken(shape, cacheDtype)).toBeLessThanOrEqual(most);
            }
            const wider = row_dim + 4;
            expect(wider > 2 * width || widestRow(wider, cacheDtype, step) > most).toBe(true);
          },
        ),
      );
    },
  );

  test('a budget that is no share, or holds no row, is refused', () => {
    for (const budget of [0, 1.1, NaN, 0.001]) {
      expect(() => rowWidth(SMOLLM2, budget, 'f16')).toThrow(/kvBudget/);
    }
  });
});

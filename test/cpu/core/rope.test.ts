import { readFileSync } from 'node:fs';
import { fileURLToPath } from 'node:url';
import { describe, expect, test } from 'vitest';
import type { RopeScaling } from '../../../src/core/config.ts';
import { cosSinTable, ropeAttentionFactor, ropeFrequencies } from '../../../src/core/rope.ts';

interface RopeGolden {
  readonly name: string;
  readonly head_dim: number;
  readonly rope_theta: number;
  readonly rope_scaling: RopeScaling;
  readonly inv_freq: readonly number[];
  readonly attention_factor: number;
}

const goldens: readonly RopeGolden[] = JSON.parse(
  readFileSync(fileURLToPath(new URL('rope_goldens.json', import.meta.url)), 'utf8'),
);

describe('rope frequencies equal those of transformers', () => {
  test.each(goldens)('$name', ({ head_dim, rope_theta, rope_scaling, inv_freq, attention_factor }) => {
    const got = ropeFrequencies({ head_dim, rope_theta, rope_scaling });
    expect(got.length).toBe(inv_freq.length);
    inv_freq.forEach((want, f) => expect(Math.abs((got[f] ?? NaN) / want - 1)).toBeLessThan(3e-7));
    expect(ropeAttentionFactor(rope_scaling)).toBeCloseTo(attention_factor, 6);
  });
});

describe('cosSinTable', () => {
  test('holds cos and sin of position times frequency', () => {
    const table = cosSinTable(Float32Array.of(1, 0.5), 3, 1);
    expect(table[(2 * 2 + 1) * 2]).toBeCloseTo(Math.cos(1), 6);
    expect(table[(2 * 2 + 1) * 2 + 1]).toBeCloseTo(Math.sin(1), 6);
    expect(cosSinTable(Float32Array.of(1), 1, 1.25)[0]).toBe(1.25);
  });
});

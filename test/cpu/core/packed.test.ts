import { describe, expect, test } from 'vitest';
import { concatRows, gatherRows, unpack, WEIGHT_FORMATS } from '../../../src/core/packed.ts';
import { packPlain, quantize } from '../../../src/core/quantize.ts';
import { randomStream } from '../../../src/core/rng.ts';

function random(count: number, seed: number): Float32Array<ArrayBuffer> {
  const next = randomStream(seed);
  return Float32Array.from({ length: count }, () => 2 * next() - 1);
}

/** Root of the mean squared error, for values of root mean square 0.58. */
const WORST: Readonly<Record<string, number>> = {
  f32: 0,
  f16: 2e-4,
  bf16: 2e-3,
  q8_0: 3e-3,
  q4_0: 0.04,
  q4_1: 0.035,
};

describe('quantize and unpack', () => {
  test.each(WEIGHT_FORMATS)('%s keeps values to its precision, rows of any length', (format) => {
    for (const cols of [1, 31, 32, 33, 172]) {
      const values = random(5 * cols, cols);
      const back = unpack(quantize(values, 5, cols, format));
      const squares = values.reduce((sum, value, i) => sum + (value - (back[i] ?? NaN)) ** 2, 0);
      expect(Math.sqrt(squares / values.length)).toBeLessThanOrEqual(WORST[format] ?? 0);
    }
  });

  test.each(['f32', 'f16', 'bf16', 'q8_0'] as const)('%s: quantising again changes nothing', (format) => {
    const once = quantize(random(4 * 96, 7), 4, 96, format);
    expect(unpack(quantize(unpack(once), 4, 96, format))).toEqual(unpack(once));
  });

  test.each(WEIGHT_FORMATS)('%s: zeros and constants', (format) => {
    expect(unpack(quantize(new Float32Array(64), 2, 32, format))).toEqual(new Float32Array(64));
    const constant = unpack(quantize(new Float32Array(32).fill(0.5), 1, 32, format));
    for (const value of constant) expect(value).toBeCloseTo(0.5, 2);
  });
});

describe('rows of packed tensors', () => {
  test.each(WEIGHT_FORMATS)('%s: gather and concat move rows and round nothing', (format) => {
    const a = quantize(random(3 * 50, 1), 3, 50, format);
    const b = quantize(random(2 * 50, 2), 2, 50, format);
    const all = unpack(concatRows([a, b]));
    expect(all).toEqual(Float32Array.from([...unpack(a), ...unpack(b)]));
    const row = (i: number): Float32Array => unpack(a).subarray(i * 50, (i + 1) * 50);
    expect(unpack(gatherRows(a, [2, 0, 2]))).toEqual(Float32Array.from([...row(2), ...row(0), ...row(2)]));
  });

  test('tensors that do not fit one another are refused', () => {
    const a = quantize(random(32, 1), 1, 32, 'q8_0');
    expect(() => concatRows([a, quantize(random(32, 1), 1, 32, 'q4_0')])).toThrow('one format');
    expect(() => concatRows([a, quantize(random(64, 1), 1, 64, 'q8_0')])).toThrow('one format');
  });

  test('plain bytes are taken as they are', () => {
    const values = random(3 * 33, 3);
    const bytes = new Uint8Array(values.buffer);
    expect(unpack(packPlain(bytes, 3, 33, 'f32'))).toEqual(values);
    const whole = random(64, 4);
    const packed = packPlain(new Uint8Array(whole.buffer), 2, 32, 'f32');
    expect(packed.quants.buffer).toBe(whole.buffer);
  });
});

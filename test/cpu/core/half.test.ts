import { describe, expect, test } from 'vitest';
import { bf16ToNumber, f16ToNumber, f16Values, numberToBf16, numberToF16 } from '../../../src/core/half.ts';

describe('f16', () => {
  test('every bit pattern survives the way to a number and back', () => {
    for (let bits = 0; bits < 0x10000; bits++) {
      const value = f16ToNumber(bits);
      if (Number.isNaN(value)) expect(numberToF16(value) & 0x7c00).toBe(0x7c00);
      else if (numberToF16(value) !== bits)
        throw new Error(`${bits}: ${value} came back as ${numberToF16(value)}`);
    }
  });

  test('rounds to the nearest, ties to even', () => {
    expect(numberToF16(1 + 2 ** -11)).toBe(0x3c00);
    expect(numberToF16(1 + 3 * 2 ** -11)).toBe(0x3c02);
    expect(numberToF16(1 + 2 ** -11 + 2 ** -20)).toBe(0x3c01);
    expect(numberToF16(65504)).toBe(0x7bff);
    expect(numberToF16(65519)).toBe(0x7bff);
    expect(numberToF16(65520)).toBe(0x7c00);
    expect(numberToF16(2 ** -24)).toBe(1);
    expect(numberToF16(2 ** -25)).toBe(0);
    expect(numberToF16(2 ** -25 * 1.01)).toBe(1);
    expect(numberToF16(-0)).toBe(0x8000);
    expect(numberToF16(-Infinity)).toBe(0xfc00);
  });

  test('the table holds the same values', () => {
    const table = f16Values();
    for (const bits of [0, 1, 0x3c00, 0x7bff, 0xc000]) expect(table[bits]).toBe(f16ToNumber(bits));
  });
});

describe('bf16', () => {
  test('every bit pattern survives, and rounding is to nearest even', () => {
    for (let bits = 0; bits < 0x10000; bits++) {
      const value = bf16ToNumber(bits);
      if (!Number.isNaN(value) && numberToBf16(value) !== bits) throw new Error(`${bits}: ${value}`);
    }
    expect(numberToBf16(1 + 2 ** -8)).toBe(0x3f80);
    expect(numberToBf16(1 + 3 * 2 ** -8)).toBe(0x3f82);
    expect(Number.isNaN(bf16ToNumber(numberToBf16(NaN)))).toBe(true);
  });
});

import { describe, expect, test } from 'vitest';
import { BLOCK_SIZES } from '../../../src/core/dtype.ts';
import type { ReadableDtype } from '../../../src/core/dtype.ts';
import { f16ToNumber, numberToF16 } from '../../../src/core/half.ts';
import { unpack } from '../../../src/core/packed.ts';
import { randomStream } from '../../../src/core/rng.ts';
import { decodeBlocks } from '../../../src/formats/ggml_blocks.ts';
import { isPackable, packBlocks } from '../../../src/formats/ggml_pack.ts';
import goldens from './ggml_goldens.json';

/** Made by scripts/make_ggml_goldens.py with the gguf package. */
const types = ['Q8_0', 'Q4_0', 'Q4_1', 'Q5_0', 'Q5_1', 'Q4_K', 'Q5_K', 'Q6_K'] as const;

function bytesOf(base64: string): Uint8Array<ArrayBuffer> {
  return Uint8Array.from(atob(base64), (char) => char.charCodeAt(0));
}

describe('decodeBlocks equals the gguf package bit for bit', () => {
  test('every block type has goldens', () => {
    expect(types.toSorted()).toEqual(
      Object.keys(BLOCK_SIZES)
        .filter((t) => t.startsWith('Q'))
        .toSorted(),
    );
  });
  for (const type of types) {
    test(type, () => {
      const expected = bytesOf(goldens[type].values);
      const decoded = decodeBlocks(type, bytesOf(goldens[type].bytes));
      expect(new Uint8Array(decoded.buffer)).toEqual(expected);
    });
  }
});

describe('packBlocks', () => {
  for (const type of types) {
    if (!isPackable(type) || type === 'Q4_K') continue;
    test(`${type} keeps every bit`, () => {
      const bytes = bytesOf(goldens[type].bytes);
      const packed = packBlocks(type, bytes, 2, 64);
      expect(packed.format).toBe(type.toLowerCase());
      expect(unpack(packed)).toEqual(decodeBlocks(type, bytes));
    });
  }

  test('Q4_K keeps the quants and rounds scale and minimum to f16', () => {
    const bytes = bytesOf(goldens.Q4_K.bytes);
    const exact = decodeBlocks('Q4_K', bytes);
    const packed = packBlocks('Q4_K', bytes, 3, 256);
    const values = unpack(packed);
    let worst = 0;
    for (let i = 0; i < exact.length; i++) {
      const group = Math.floor(i / 32);
      const d = Math.abs(f16ToNumber(packed.scales[2 * group]!));
      const m = Math.abs(f16ToNumber(packed.scales[2 * group + 1]!));
      // Half a unit in the last place of each, the scale's 15 times; plus half a subnormal step.
      const bound = (15 * d + m) * 2 ** -11 + 16 * 2 ** -25;
      worst = Math.max(worst, Math.abs(exact[i]! - values[i]!) / bound);
    }
    expect(worst).toBeLessThanOrEqual(1.001);
    expect(worst).toBeGreaterThan(0);
  });
});

describe('plain types', () => {
  const cases: readonly [ReadableDtype, ArrayBufferView, readonly number[]][] = [
    ['F64', Float64Array.of(1.5, -(2 ** 60), 0.1), [1.5, -(2 ** 60), Math.fround(0.1)]],
    ['F32', Float32Array.of(1.5, -0, 3e38), [1.5, -0, Math.fround(3e38)]],
    ['F16', Uint16Array.of(0x3c00, 0x8001, 0x7bff), [1, -(2 ** -24), 65504]],
    ['BF16', Uint16Array.of(0x3f80, 0xc049, 0x0001), [1, -3.140625, Math.fround(2 ** -133)]],
    ['I64', BigInt64Array.of(-5n, 2n ** 40n), [-5, 2 ** 40]],
    ['U64', BigUint64Array.of(5n, 2n ** 63n), [5, 2 ** 63]],
    ['I32', Int32Array.of(-7, 2 ** 30), [-7, 2 ** 30]],
    ['U32', Uint32Array.of(7, 2 ** 31), [7, 2 ** 31]],
    ['I16', Int16Array.of(-300, 300), [-300, 300]],
    ['U16', Uint16Array.of(65535), [65535]],
    ['I8', Int8Array.of(-128, 127), [-128, 127]],
    ['U8', Uint8Array.of(255, 1), [255, 1]],
    ['BOOL', Uint8Array.of(0, 1, 2), [0, 1, 1]],
  ];
  test.each(cases)('%s', (dtype, array, expected) => {
    const bytes = new Uint8Array(array.buffer, array.byteOffset, array.byteLength);
    expect([...decodeBlocks(dtype, bytes)]).toEqual(expected);
  });

  test('bytes need not be aligned', () => {
    const values = Float32Array.from({ length: 5 }, randomStream(1));
    const shifted = new Uint8Array(21);
    shifted.set(new Uint8Array(values.buffer), 1);
    expect(decodeBlocks('F32', shifted.subarray(1))).toEqual(values);
  });

  test('f16 of every exponent survives', () => {
    const bits = Uint16Array.from({ length: 0x7c00 / 7 }, (_, i) => i * 7);
    const decoded = decodeBlocks('F16', new Uint8Array(bits.buffer));
    expect(decoded.every((value, i) => numberToF16(value) === bits[i])).toBe(true);
  });
});

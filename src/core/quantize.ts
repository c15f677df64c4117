import { f16ToNumber, numberToBf16, numberToF16 } from './half.ts';
import { emptyPacked, GROUP, GROUP_BYTES, groupsOf, paddedLength } from './packed.ts';
import type { PackedTensor, WeightFormat } from './packed.ts';

/**
 * f32 -> PackedTensor. The grids are ggml's; the scale of a 4-bit group is not taken from its largest value alone but
 * searched for the least squared error (the idea of make_qx_quants in ggml-quants.c, written anew), and every choice is
 * judged with the scale already rounded to f16, as it will be read.
 * @param values [rows, cols]
 */
export function quantize(
  values: Float32Array,
  rows: number,
  cols: number,
  format: WeightFormat,
): PackedTensor {
  const tensor = emptyPacked(format, rows, cols);
  const group = new Float32Array(GROUP);
  const groups = groupsOf(cols);
  for (let row = 0; row < rows; row++) {
    for (let g = 0; g < groups; g++) {
      const from = row * cols + g * GROUP;
      const count = Math.min(GROUP, cols - g * GROUP);
      group.fill(0);
      group.set(values.subarray(from, from + count));
      writeGroup(tensor, row * groups + g, group, count);
    }
  }
  return tensor;
}

/** Takes the bytes of f32, f16 or bf16 rows as they are, adding only the padding. */
export function packPlain(
  bytes: Uint8Array<ArrayBuffer>,
  rows: number,
  cols: number,
  format: 'f32' | 'f16' | 'bf16',
): PackedTensor {
  const size = format === 'f32' ? 4 : 2;
  if (paddedLength(cols) === cols) {
    return { format, rows, cols, quants: bytes.subarray(0, rows * cols * size), scales: new Uint16Array(0) };
  }
  const tensor = emptyPacked(format, rows, cols);
  const stride = paddedLength(cols) * size;
  for (let row = 0; row < rows; row++) {
    tensor.quants.set(bytes.subarray(row * cols * size, (row + 1) * cols * size), row * stride);
  }
  return tensor;
}

function writeGroup(tensor: PackedTensor, at: number, x: Float32Array, count: number): void {
  const { format, quants, scales } = tensor;
  const base = at * GROUP_BYTES[format];
  switch (format) {
    case 'f32': {
      const view = new DataView(quants.buffer, quants.byteOffset + base, GROUP_BYTES.f32);
      x.forEach((value, i) => view.setFloat32(4 * i, value, true));
      return;
    }
    case 'f16':
    case 'bf16':
      x.forEach((value, i) => {
        const bits = format === 'f16' ? numberToF16(value) : numberToBf16(value);
        quants[base + 2 * i] = bits & 255;
        quants[base + 2 * i + 1] = bits >> 8;
      });
      return;
    case 'q8_0': {
      const d = numberToF16(largest(x) / 127);
      const inverse = invert(f16ToNumber(d));
      scales[at] = d;
      x.forEach((value, i) => (quants[base + i] = nearest(value * inverse, -127, 127) & 255));
      return;
    }
    case 'q4_0': {
      const d = bestSymmetricScale(x);
      const inverse = invert(f16ToNumber(d));
      scales[at] = d;
      writeNibbles(quants, base, x, (value) => nearest(value * inverse, -8, 7) + 8);
      return;
    }
    case 'q4_1': {
      const [d, m] = bestAffineScale(x, count);
      const inverse = invert(f16ToNumber(d));
      const minimum = f16ToNumber(m);
      scales[2 * at] = d;
      scales[2 * at + 1] = m;
      writeNibbles(quants, base, x, (value) => nearest((value - minimum) * inverse, 0, 15));
      return;
    }
  }
}

function writeNibbles(
  quants: Uint8Array,
  base: number,
  x: Float32Array,
  code: (value: number) => number,
): void {
  for (let i = 0; i < 16; i++) quants[base + i] = code(x[i] ?? 0) | (code(x[i + 16] ?? 0) << 4);
}

/** q4_0: d (f16 bits) with the least squared error among scales that put the largest value on -8, -7.5, ... -6 or 8, ... 6. */
function bestSymmetricScale(x: Float32Array): number {
  let extreme = 0;
  for (const value of x) if (Math.abs(value) > Math.abs(extreme)) extreme = value;
  if (extreme === 0) return 0;
  let best = 0;
  let bestError = Infinity;
  for (let code = 8; code >= 6; code -= 0.5) {
    for (const d of [numberToF16(-extreme / code), numberToF16(extreme / code)]) {
      const scale = f16ToNumber(d);
      const inverse = invert(scale);
      let error = 0;
      for (let i = 0; i < GROUP; i++) {
        const value = x[i] ?? 0;
        const rest = value - scale * nearest(value * inverse, -8, 7);
        error += rest * rest;
      }
      if (error < bestError) [best, bestError] = [d, error];
    }
  }
  return best;
}

/** q4_1: (d, m) as f16 bits. Starts from the range of x and from shrunken ranges, each followed by a least-squares fit. */
function bestAffineScale(x: Float32Array, count: number): readonly [number, number] {
  let low = Infinity;
  let high = -Infinity;
  for (let i = 0; i < count; i++) {
    low = Math.min(low, x[i] ?? 0);
    high = Math.max(high, x[i] ?? 0);
  }
  let best: readonly [number, number] = [numberToF16((high - low) / 15), numberToF16(low)];
  let bestError = affineError(x, count, best);
  for (let shrink = 0; shrink <= 2; shrink++) {
    const trim = ((high - low) * shrink) / 24;
    let d = (high - low - 2 * trim) / 15;
    let m = low + trim;
    for (let round = 0; round < 2; round++) {
      [d, m] = fitLine(x, count, d, m);
      const candidate = [numberToF16(d), numberToF16(m)] as const;
      const error = affineError(x, count, candidate);
      if (error < bestError) [best, bestError] = [candidate, error];
    }
  }
  return best;
}

function affineError(x: Float32Array, count: number, [d, m]: readonly [number, number]): number {
  const scale = f16ToNumber(d);
  const minimum = f16ToNumber(m);
  const inverse = invert(scale);
  let error = 0;
  for (let i = 0; i < count; i++) {
    const value = (x[i] ?? 0) - minimum;
    const rest = value - scale * nearest(value * inverse, 0, 15);
    error += rest * rest;
  }
  return error;
}

/** Least squares of x = d * q + m with the q that (d, m) give. Keeps (d, m) when all q are equal. */
function fitLine(x: Float32Array, count: number, d: number, m: number): readonly [number, number] {
  const inverse = invert(d);
  let [sumQ, sumQQ, sumX, sumQX] = [0, 0, 0, 0];
  for (let i = 0; i < count; i++) {
    const value = x[i] ?? 0;
    const q = nearest((value - m) * inverse, 0, 15);
    sumQ += q;
    sumQQ += q * q;
    sumX += value;
    sumQX += q * value;
  }
  const determinant = count * sumQQ - sumQ * sumQ;
  if (determinant === 0) return [d, m];
  const slope = (count * sumQX - sumQ * sumX) / determinant;
  return [slope, (sumX - slope * sumQ) / count];
}

function largest(x: Float32Array): number {
  let result = 0;
  for (const value of x) result = Math.max(result, Math.abs(value));
  return result;
}

function invert(scale: number): number {
  return scale === 0 ? 0 : 1 / scale;
}

/** The integer nearest to x between low and high. */
function nearest(x: number, low: number, high: number): number {
  const rounded = Math.floor(x + 0.5);
  return rounded < low ? low : rounded > high ? high : rounded;
}

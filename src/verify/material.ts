import { f16ToNumber, numberToF16 } from '../core/half.ts';
import { paddedLength, unpack } from '../core/packed.ts';
import type { PackedTensor, WeightFormat } from '../core/packed.ts';
import { quantize } from '../core/quantize.ts';
import { randomStream } from '../core/rng.ts';
import type { Best } from '../reference/argmax_final.ts';

/** What cases are made of: random numbers, weights in every format, padded activations. */
export class Material {
  readonly #random: () => number;

  constructor(seed: number) {
    this.#random = randomStream(seed);
  }

  /** Uniform in (-scale, scale). */
  floats(count: number, scale = 1): Float32Array<ArrayBuffer> {
    return Float32Array.from({ length: count }, () => (2 * this.#random() - 1) * scale);
  }

  /** Integers 0 <= i < below. */
  integers(count: number, below: number): Uint32Array<ArrayBuffer> {
    return Uint32Array.from({ length: count }, () => Math.floor(this.#random() * below));
  }

  /** A matrix whose products with x in (-1, 1) are of the order of one; `values` is what the format really holds. */
  weights(rows: number, cols: number, format: WeightFormat): { packed: PackedTensor; values: Float32Array } {
    const packed = quantize(this.floats(rows * cols, 2 / Math.sqrt(cols)), rows, cols, format);
    return { packed, values: unpack(packed) };
  }
}

/** The two weight buffers; scales are never empty, since a binding must have a buffer. */
export function weightBuffers({ quants, scales }: PackedTensor): {
  weight: Uint8Array<ArrayBuffer>;
  scales: Uint16Array<ArrayBuffer>;
} {
  return { weight: quants, scales: scales.length > 0 ? scales : new Uint16Array(2) };
}

/** [rows, cols] -> [rows, stride], zeros behind each row. */
export function padRows(
  values: Float32Array,
  cols: number,
  stride: number = paddedLength(cols),
): Float32Array<ArrayBuffer> {
  const rows = values.length / cols;
  const out = new Float32Array(rows * stride);
  for (let row = 0; row < rows; row++) out.set(values.subarray(row * cols, (row + 1) * cols), row * stride);
  return out;
}

export function toF16(values: Float32Array): Uint16Array<ArrayBuffer> {
  return Uint16Array.from(values, numberToF16);
}

export function roundToF16(values: Float32Array): Float32Array<ArrayBuffer> {
  return Float32Array.from(values, (value) => f16ToNumber(numberToF16(value)));
}

/** (value, index) pairs as the kernels store them */
export function bestLayout(slices: readonly Best[]): Uint32Array<ArrayBuffer> {
  const bits = new Uint32Array(new Float32Array(slices.map((s) => s.value)).buffer);
  return Uint32Array.from(slices.flatMap((s, i) => [bits[i] ?? 0, s.index]));
}

/** Few distinct values, so that ties occur within and across slices. */
export function tiedLogits(m: Material, vocab_size: number): Float32Array<ArrayBuffer> {
  return m.floats(vocab_size, 3).map((x) => Math.round(x));
}

import { at } from './at.ts';

/** Rows of activations as int8 in groups of 32: x = steps q. Rows are padded with zeros to whole groups. */
export interface QuantisedRows {
  readonly quants: Int8Array<ArrayBuffer>;
  /** One a group. */
  readonly steps: Float32Array;
}

/** @param x [tokens, dim], dim a multiple of 32 */
export function quantise_rows(x: Float32Array): QuantisedRows {
  const quants = new Int8Array(x.length);
  const steps = new Float32Array(x.length / 32);
  for (let g = 0; g < steps.length; g++) {
    const group = x.subarray(g * 32, (g + 1) * 32);
    const largest = group.reduce((most, value) => Math.max(most, Math.abs(value)), 0);
    steps[g] = largest / 127;
    group.forEach((value, i) => {
      quants[g * 32 + i] = largest === 0 ? 0 : Math.round((value * 127) / largest);
    });
  }
  return { quants, steps };
}

/** The values that a product with these rows sees. */
export function dequantiseRows({ quants, steps }: QuantisedRows): Float32Array {
  return Float32Array.from(quants, (q, i) => q * at(steps, i >> 5));
}

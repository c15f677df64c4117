import { WebMlaError } from '../core/errors.ts';
import { GROUP, GROUP_SCALES, groupsOf, paddedLength } from '../core/packed.ts';
import type { PackedTensor } from '../core/packed.ts';
import type { TensorEntry } from './tensor_entry.ts';

/** A NaN in one weight makes every token "!" without any error, so it is refused where it enters. */

const F16_EXPONENT = 0x7c00;

/**
 * @param first index in the tensor of values[0]
 * @throws WebMlaError `bad_tensor` naming the tensor and the index of the first NaN or infinity, counted in file order
 */
export function checkFloats(entry: TensorEntry, values: Float32Array, first = 0): void {
  for (let i = 0; i < values.length; i++) {
    const value = values[i] ?? 0;
    if (value - value !== 0) throw notFinite(entry, first + i, String(value));
  }
}

/**
 * Gives the tensor back.
 * @throws WebMlaError `bad_tensor` when a value (plain formats) or a scale (quantised formats) is NaN or infinite
 */
export function checkPacked(entry: TensorEntry, tensor: PackedTensor): PackedTensor {
  const { format, cols, quants, scales } = tensor;
  if (format === 'f32') {
    const words = new Uint32Array(quants.buffer, quants.byteOffset, quants.length / 4);
    const at = firstNotFinite(words, 0x7f800000);
    if (at >= 0) throw notFinite(entry, unpadded(at, cols), 'NaN or infinity');
  } else if (format === 'f16' || format === 'bf16') {
    const halves = new Uint16Array(quants.buffer, quants.byteOffset, quants.length / 2);
    const at = firstNotFinite(halves, format === 'f16' ? F16_EXPONENT : 0x7f80);
    if (at >= 0) throw notFinite(entry, unpadded(at, cols), `NaN or infinity as ${format}`);
  }
  const at = firstNotFinite(scales, F16_EXPONENT);
  if (at >= 0) {
    const group = Math.floor(at / GROUP_SCALES[format]);
    const [row, within] = [Math.floor(group / groupsOf(cols)), group % groupsOf(cols)];
    throw notFinite(entry, row * cols + within * GROUP, `a ${format} scale that is NaN or infinite as f16`);
  }
  return tensor;
}

/** Index of the first pattern whose exponent bits are all set, or -1. findIndex takes ten times as long. */
function firstNotFinite(patterns: Uint16Array | Uint32Array, exponent: number): number {
  for (let i = 0; i < patterns.length; i++) if (((patterns[i] ?? 0) & exponent) === exponent) return i;
  return -1;
}

function unpadded(at: number, cols: number): number {
  const width = paddedLength(cols);
  return Math.floor(at / width) * cols + (at % width);
}

function notFinite(entry: TensorEntry, index: number, got: string): WebMlaError {
  return new WebMlaError(
    'bad_tensor',
    `${entry.name}[${index}]: expected a finite number, got ${got}`,
    'The checkpoint is damaged, or its values are too large for the chosen weight format (f32 and bf16 hold any).',
    { tensor: entry.name, index },
  );
}

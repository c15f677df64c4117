import type { Linear } from '../core/layers.ts';
import { unpack } from '../core/packed.ts';
import type { PackedTensor } from '../core/packed.ts';
import { quantize } from '../core/quantize.ts';
import { zeros } from './linalg/matrix.ts';
import type { Matrix } from './linalg/matrix.ts';

/** The weight of a linear in f64, all pieces: [rows, cols]. */
export function weightOf({ pieces }: Linear): Matrix {
  const weight = zeros(
    pieces.reduce((rows, piece) => rows + piece.rows, 0),
    pieces[0]?.cols ?? 0,
  );
  let offset = 0;
  for (const piece of pieces) {
    weight.data.set(unpack(piece), offset);
    offset += piece.rows * piece.cols;
  }
  return weight;
}

/** As the runtime takes it, rounded to f32. A bias of zeros is no bias. */
export function linearOf(weight: Matrix, bias: Float64Array | null): Linear {
  return {
    pieces: [quantize(Float32Array.from(weight.data), weight.rows, weight.cols, 'f32')],
    bias: bias?.some((value) => value !== 0) ? Float32Array.from(bias) : null,
  };
}

/** Elements of all tensors together. */
export function packedElements(...tensors: readonly PackedTensor[]): number {
  return tensors.reduce((sum, { rows, cols }) => sum + rows * cols, 0);
}

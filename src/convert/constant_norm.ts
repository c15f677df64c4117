import { WebMlaError } from '../core/errors.ts';
import { rowsOf, scaleRows, stackRows, zeros } from './linalg/matrix.ts';
import type { Matrix } from './linalg/matrix.ts';

/**
 * DeepSeek's layout puts an RMSNorm behind every down-projection c = W x + b. A further value of the latent, a constant M far above
 * |c|, makes that norm a division by M / sqrt(n + 1), the same for every token, to within |c|² / 2M².
 */
export interface NormedLinear {
  /** [n + 1, inputs]; the last row is zeros */
  readonly weight: Matrix;
  /** [n + 1]; the last is M */
  readonly bias: Float64Array<ArrayBuffer>;
  /** Weight of the norm, [n + 1]: powers of two, which bf16 holds. */
  readonly norm: Float64Array<ArrayBuffer>;
}

/** M is so many times the largest |c| that there can be: the norm is then off by 3e-8 at most. */
const MARGIN = 2 ** 12;
/** What a reader asks for: 8e-6. */
const LEAST_MARGIN = 2 ** 8;

/**
 * W and b such that the norm gives back [c ; about 1].
 * @param weight W [n, inputs] behind an RMSNorm with the weights `inputNorm` [inputs]
 */
export function throughNorm(
  weight: Matrix,
  bias: ArrayLike<number>,
  inputNorm: ArrayLike<number>,
): NormedLinear {
  const n = weight.rows;
  const constant = 2 ** Math.ceil(Math.log2(Math.max(1, MARGIN * largestLatent(weight, bias, inputNorm))));
  const divisor = constant / Math.sqrt(n + 1);
  const power = nearestPower(divisor);
  const factor = new Float64Array(n).fill(divisor / power);
  const norm = new Float64Array(n + 1).fill(power);
  norm[n] = nearestPower(1 / Math.sqrt(n + 1));
  return {
    weight: stackRows(scaleRows(factor, weight), zeros(1, weight.cols)),
    bias: Float64Array.from({ length: n + 1 }, (_, i) =>
      i < n ? (factor[i] ?? 0) * (bias[i] ?? 0) : constant,
    ),
    norm,
  };
}

/** What the norm does to each value. */
export interface ConstantNorm {
  /** Which value of the latent is the constant. */
  readonly constant: number;
  /** What the others are multiplied by, and what the constant becomes: [n + 1] */
  readonly scales: Float64Array<ArrayBuffer>;
}

/**
 * The norm of a checkpoint, where it is none because of such a constant.
 * @param name for the message
 * @throws WebMlaError `unsupported` for a norm that depends on the token
 */
export function constantNorm(
  name: string,
  { weight, bias, norm }: NormedLinear,
  inputNorm: ArrayLike<number>,
): ConstantNorm {
  const { rows } = weight;
  const isZero = (row: number): boolean => rowsOf(weight, row, row + 1).data.every((x) => x === 0);
  const size = (row: number): number => Math.abs(bias[row] ?? 0);
  let constant = -1;
  for (let row = 0; row < rows; row++) {
    if (isZero(row) && (constant < 0 || size(row) > size(constant))) constant = row;
  }
  const others = bias.map((x, i) => (i === constant ? 0 : x));
  const largest = largestLatent(weight, others, inputNorm);
  if (constant < 0 || size(constant) === 0 || size(constant) < LEAST_MARGIN * largest) {
    throw new WebMlaError(
      'unsupported',
      `${name}: expected a norm over a constant ${LEAST_MARGIN} times the largest latent (${largest.toPrecision(3)}), got ` +
        (constant < 0 ? 'none' : String(size(constant))),
      'Latents that are really normalised, as in DeepSeek-V3 itself, do not run yet.',
    );
  }
  const divisor = size(constant) / Math.sqrt(rows);
  const sign = Math.sign(bias[constant] ?? 0);
  return {
    constant,
    scales: norm.map((w, i) => (i === constant ? w * sign * Math.sqrt(rows) : w / divisor)),
  };
}

/** No |W x + b| is above it, x being a normed input: |x_i| <= |inputNorm_i| y_i with |y| <= sqrt(inputs). */
function largestLatent(
  { rows, cols, data }: Matrix,
  bias: ArrayLike<number>,
  inputNorm: ArrayLike<number>,
): number {
  let sum = 0;
  for (let at = 0; at < rows * cols; at++) sum += ((data[at] ?? 0) * (inputNorm[at % cols] ?? 0)) ** 2;
  let square = 0;
  for (let i = 0; i < rows; i++) square += (bias[i] ?? 0) ** 2;
  return Math.sqrt(cols * sum) + Math.sqrt(square);
}

function nearestPower(x: number): number {
  return 2 ** Math.round(Math.log2(x));
}

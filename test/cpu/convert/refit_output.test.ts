import { expect, test } from 'vitest';
import { refitOutput } from '../../../src/convert/refit_output.ts';
import type { OutputMoments } from '../../../src/convert/refit_output.ts';
import { matrixOf, transpose } from '../../../src/convert/linalg/matrix.ts';
import type { Matrix } from '../../../src/convert/linalg/matrix.ts';
import { multiply, multiplyTransposed } from '../../../src/convert/linalg/multiply.ts';
import { randomStream } from '../../../src/core/rng.ts';

const [TOKENS, INPUTS, HIDDEN] = [200, 6, 4];
const next = randomStream(11);
const random = (rows: number, cols: number): Matrix => matrixOf(rows, cols, () => next() - 0.5);
const trueWeight = random(HIDDEN, INPUTS);
const trueBias = random(HIDDEN, 1);
const heads = random(TOKENS, INPUTS);
/** What o_proj gets after a conversion that lost something: other numbers, of another mean. */
const lossy = matrixOf(TOKENS, INPUTS, (t, i) => 0.7 * heads.data[t * INPUTS + i]! + 0.2 * next() + 0.3);
const target = matrixOf(TOKENS, HIDDEN, (t, row) => {
  let sum = trueBias.data[row]!;
  for (let i = 0; i < INPUTS; i++) sum += trueWeight.data[row * INPUTS + i]! * heads.data[t * INPUTS + i]!;
  return sum;
});

function sums(inputs: Matrix): OutputMoments {
  const extended = matrixOf(TOKENS, INPUTS + 1, (t, i) => (i < INPUTS ? inputs.data[t * INPUTS + i]! : 1));
  return {
    inputs: INPUTS,
    hidden_size: HIDDEN,
    inputMoments: multiply(transpose(extended), extended).data,
    crossMoments: multiply(transpose(target), extended).data,
  };
}

function error(inputs: Matrix, weight: Matrix, bias: ArrayLike<number>): number {
  return multiplyTransposed(inputs, weight).data.reduce(
    (sum, x, at) => sum + (x + bias[at % HIDDEN]! - target.data[at]!) ** 2,
    0,
  );
}

test('the refit lowers the error on its own data, more so with a smaller ridge, and never below none', () => {
  const errors = [0, 1e-3, 1e-2, 1].map((ridge) => {
    const { weight, bias } = refitOutput(sums(lossy), trueWeight, ridge);
    return error(lossy, weight, bias);
  });
  expect(errors).toEqual(errors.toSorted((a, b) => a - b));
  expect(errors[3]).toBeLessThan(0.9 * error(lossy, trueWeight, trueBias.data));
  const exact = refitOutput(sums(heads), random(HIDDEN, INPUTS), 0);
  expect(error(heads, exact.weight, exact.bias)).toBeLessThan(1e-20);
});

test('nothing to mend: the weight stays at any ridge, and a huge ridge holds any weight', () => {
  const same = refitOutput(sums(heads), trueWeight, 0.5);
  same.weight.data.forEach((x, i) => expect(x).toBeCloseTo(trueWeight.data[i]!, 10));
  same.bias.forEach((x, i) => expect(x).toBeCloseTo(trueBias.data[i]!, 10));
  const held = refitOutput(sums(lossy), trueWeight, 1e9);
  held.weight.data.forEach((x, i) => expect(x).toBeCloseTo(trueWeight.data[i]!, 6));
});

test('bad sums give the typed error', () => {
  const broken = sums(lossy);
  broken.crossMoments[0] = Number.NaN;
  expect(() => refitOutput(broken, trueWeight)).toThrow(expect.objectContaining({ code: 'bad_tensor' }));
  const empty = { ...sums(lossy), inputMoments: new Float64Array((INPUTS + 1) ** 2) };
  expect(() => refitOutput(empty, trueWeight)).toThrow(expect.objectContaining({ code: 'bad_tensor' }));
  expect(() => refitOutput(sums(lossy), random(HIDDEN, 3))).toThrow(
    expect.objectContaining({ code: 'bad_tensor' }),
  );
});

import { cosSinTable } from '../../core/rope.ts';
import { adam_step as adamKernel, packAdam } from '../../kernels/adam_step.ts';
import { causal_softmax as softmaxKernel } from '../../kernels/causal_softmax.ts';
import { output_error as errorKernel } from '../../kernels/output_error.ts';
import { rotate_rows as rotateKernel } from '../../kernels/rotate_rows.ts';
import { softmax_gradient as gradientKernel } from '../../kernels/softmax_gradient.ts';
import { adam_step } from '../../reference/adam_step.ts';
import { causal_softmax } from '../../reference/causal_softmax.ts';
import { output_error } from '../../reference/output_error.ts';
import { rotate_rows } from '../../reference/rotate_rows.ts';
import { softmax_gradient } from '../../reference/softmax_gradient.ts';
import { kernelCase } from '../kernel_case.ts';
import type { KernelCase } from '../kernel_case.ts';
import { Material } from '../material.ts';

/** What the layer-wise refinement is made of, but for its products. */

/** [heads, tokens, lanes] */
const CAUSAL = [
  [1, 1, 4],
  [3, 5, 1],
  [2, 63, 4],
  [1, 65, 64],
] as const;

/** What lies behind the diagonal must not matter. */
function spoiled(values: Float32Array<ArrayBuffer>, tokens: number): Float32Array<ArrayBuffer> {
  return values.map((x, i) => (i % tokens > Math.floor(i / tokens) % tokens ? NaN : x));
}

export function softmaxCases(): KernelCase[] {
  return CAUSAL.map(([heads, tokens, lanes], index) => {
    const scores = spoiled(new Material(9960 + index).floats(heads * tokens ** 2, 5), tokens);
    return kernelCase(softmaxKernel, {
      name: `${heads} heads, ${tokens} tokens, ${lanes} lanes`,
      dims: { heads, tokens, lanes },
      parts: {},
      buffers: { scores },
      expected: {
        scores: { as: 'f32', values: causal_softmax(scores, heads, tokens), tolerance: 'f32' },
      },
    });
  });
}

export function softmaxGradientCases(): KernelCase[] {
  return CAUSAL.map(([heads, tokens, lanes], index) => {
    const m = new Material(9970 + index);
    const p = Float32Array.from(causal_softmax(m.floats(heads * tokens ** 2, 5), heads, tokens));
    const gradient = spoiled(m.floats(p.length, 3), tokens);
    return kernelCase(gradientKernel, {
      name: `${heads} heads, ${tokens} tokens, ${lanes} lanes`,
      dims: { heads, tokens, lanes },
      parts: {},
      buffers: { probabilities: p, gradient },
      expected: {
        gradient: { as: 'f32', values: softmax_gradient(p, gradient, heads, tokens), tolerance: 'f32' },
      },
    });
  });
}

/** [tokens, vectors, pairs, inverse, accumulate] */
const ROTATED = [
  [1, 1, 1, false, false],
  [7, 3, 5, false, true],
  [5, 9, 24, true, false],
  [3, 1, 64, true, true],
] as const;

export function rotateCases(): KernelCase[] {
  return ROTATED.map(([tokens, vectors, pairs, inverse, accumulate], index) => {
    const m = new Material(9980 + index);
    const frequencies = 17;
    const table = cosSinTable(m.floats(frequencies), tokens, 1.25);
    const back = table.map((value, i) => (i % 2 === 1 ? -value : value));
    const rope_pairs = m.integers(pairs, frequencies);
    const width = vectors * 2 * pairs;
    const x = { stride: width + 3, offset: 2 };
    const out = { stride: width + 1, offset: 1 };
    const values = m.floats(tokens * x.stride);
    const before = m.floats(tokens * out.stride);
    const want = before.slice();
    for (let t = 0; t < tokens; t++) {
      for (let v = 0; v < vectors; v++) {
        const from = t * x.stride + x.offset + v * 2 * pairs;
        const turned = rotate_rows(values.slice(from, from + 2 * pairs), t, {
          offset: 0,
          dim: 2 * pairs,
          pairs: rope_pairs,
          table: inverse ? back : table,
          frequencies,
        });
        turned.forEach((value, i) => {
          const to = t * out.stride + out.offset + v * 2 * pairs + i;
          want[to] = (accumulate ? (before[to] ?? NaN) : 0) + value;
        });
      }
    }
    return kernelCase(rotateKernel, {
      name: `${tokens} x ${vectors} vectors of ${pairs} pairs${inverse ? ', back' : ''}${accumulate ? ', added' : ''}`,
      dims: { tokens, vectors, pairs, x, out, rope_frequencies: frequencies, inverse, accumulate },
      parts: {},
      buffers: { x: values, rope_table: table, rope_pairs, out: before },
      expected: { out: { as: 'f32', values: want, tolerance: 'f32' } },
    });
  });
}

/** [dim, tokens, tokens that there is room for, lanes] */
const ERRORS = [
  [1, 1, 1, 1],
  [63, 3, 5, 4],
  [65, 4, 4, 64],
] as const;

export function errorCases(): KernelCase[] {
  return ERRORS.map(([dim, tokens, max_tokens, lanes], index) => {
    const m = new Material(9990 + index);
    const wanted_stride = dim + 2;
    const x = m.floats(max_tokens * dim);
    const wanted = m.floats(max_tokens * wanted_stride);
    const sums = m.floats(max_tokens * 2);
    const rows = Array.from({ length: tokens }, (_, t) => [
      ...wanted.subarray(t * wanted_stride, t * wanted_stride + dim),
    ]);
    const found = output_error(x.subarray(0, tokens * dim), rows.flat(), dim);
    const error = new Float32Array(max_tokens * dim);
    error.set(found.error);
    return kernelCase(errorKernel, {
      name: `${tokens} of ${max_tokens} tokens, ${dim} values, ${lanes} lanes`,
      dims: { dim, wanted_stride, max_tokens, lanes },
      parts: {},
      step: { num_tokens: tokens },
      buffers: { x, wanted, error: m.floats(max_tokens * dim), sums },
      expected: {
        error: { as: 'f32', values: error, tolerance: 'f32' },
        sums: { as: 'f32', values: sums.map((s, i) => s + (found.sums[i] ?? 0)), tolerance: 'f32' },
      },
    });
  });
}

/** [elements, step] */
const ADAM = [
  [1, 1],
  [255, 3],
  [257, 80],
] as const;

export function adamCases(): KernelCase[] {
  return ADAM.map(([count, step], index) => {
    const m = new Material(9940 + index);
    const gradient_scale = 0.25;
    const rate = 0.02;
    const state = {
      value: m.floats(count),
      first: m.floats(count, 0.5),
      second: m.floats(count, 0.5).map((x) => x ** 2),
    };
    const gradient = m.floats(count, 4);
    const scaled = gradient.map((x) => gradient_scale * x);
    const want = adam_step(state, scaled, rate, step);
    const adam = packAdam({
      rate,
      first_correction: 1 - 0.9 ** step,
      second_correction: 1 - 0.98 ** step,
      gradient_scale,
    });
    return kernelCase(adamKernel, {
      name: `${count} elements, step ${step}`,
      dims: { count },
      parts: {},
      buffers: { ...state, gradient, adam },
      expected: {
        value: { as: 'f32', values: want.value, tolerance: 'f32' },
        first: { as: 'f32', values: want.first, tolerance: 'f32' },
        second: { as: 'f32', values: want.second, tolerance: 'f32' },
        gradient: { as: 'f32', values: new Float32Array(count), tolerance: 'exact' },
      },
    });
  });
}

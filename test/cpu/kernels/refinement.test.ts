import { expect, test } from 'vitest';
import { adam_step } from '../../../src/kernels/adam_step.ts';
import { batched_matmul } from '../../../src/kernels/batched_matmul.ts';
import type { Operand, ProductDims } from '../../../src/kernels/batched_matmul.ts';
import { causal_softmax } from '../../../src/kernels/causal_softmax.ts';
import { output_error } from '../../../src/kernels/output_error.ts';
import { rotate_rows } from '../../../src/kernels/rotate_rows.ts';
import { softmax_gradient } from '../../../src/kernels/softmax_gradient.ts';

/** Dims that cannot run are refused before anything is allocated. */

const operand: Operand = { offset: 0, row: 8, column: 1, batch: 64, share: 1, repeat: 0 };
const product: ProductDims = {
  rows: 8,
  columns: 8,
  depth: 8,
  batches: 2,
  repeats: 1,
  a: operand,
  b: operand,
  c: { offset: 0, row: 8, batch: 64 },
  alpha: 1,
  beta: 0,
  triangle: 'none',
};

test('products', () => {
  const refuse = (change: Partial<ProductDims>) =>
    batched_matmul.refuse?.({ ...product, ...change }, { tile: 'shared' });
  expect(refuse({})).toBeNull();
  expect(refuse({ depth: 0 })).toContain('at least 1');
  expect(refuse({ repeats: 1.5 })).toContain('at least 1');
  expect(refuse({ a: { ...operand, share: 0 } })).toContain('at least 1');
  expect(refuse({ c: { offset: 0, row: 7, batch: 64 } })).toContain('8 columns');
  expect(refuse({ c: { offset: 0, row: 8, batch: 0 } })).toContain('8 columns');
  expect(refuse({ batches: 65_536 })).toContain('65535');
  // The bytes are those up to the last element that is touched: batch 1, row 7, column 7.
  expect(batched_matmul.bindings(product, { tile: 'shared' }).a?.bytes).toBe((64 + 7 * 8 + 7 + 1) * 4);
  const shared = { ...product, b: { ...operand, share: 2 } };
  expect(batched_matmul.bindings(shared, { tile: 'shared' }).b?.bytes).toBe(64 * 4);
});

test('rows, rotations and tensors', () => {
  for (const kernel of [causal_softmax, softmax_gradient]) {
    expect(kernel.refuse?.({ heads: 2, tokens: 5, lanes: 4 }, {})).toBeNull();
    expect(kernel.refuse?.({ heads: 2, tokens: 0, lanes: 4 }, {})).toContain('tokens');
    expect(kernel.refuse?.({ heads: 2, tokens: 5, lanes: 6 }, {})).toContain('power of two');
    expect(kernel.refuse?.({ heads: 2, tokens: 5, lanes: 512 }, {})).toContain('256');
  }
  const error = { dim: 4, wanted_stride: 4, max_tokens: 2, lanes: 1 };
  expect(output_error.refuse?.(error, {})).toBeNull();
  expect(output_error.refuse?.({ ...error, wanted_stride: 3 }, {})).toContain('wanted_stride 3');
  expect(output_error.refuse?.({ ...error, lanes: 3 }, {})).toContain('power of two');
  const side = { stride: 4, offset: 0 };
  const turned = { tokens: 1, vectors: 1, pairs: 2, x: side, out: side, rope_frequencies: 2 };
  expect(rotate_rows.refuse?.({ ...turned, inverse: false, accumulate: false }, {})).toBeNull();
  expect(rotate_rows.refuse?.({ ...turned, pairs: 0, inverse: false, accumulate: false }, {})).toContain(
    'pairs',
  );
  expect(adam_step.refuse?.({ count: 1 }, {})).toBeNull();
  expect(adam_step.refuse?.({ count: 0 }, {})).toContain('count');
});

import { paddedLength, WEIGHT_FORMATS } from '../../core/packed.ts';
import { embed_tokens as embedKernel } from '../../kernels/embed_tokens.ts';
import { head_matmul as headKernel } from '../../kernels/head_matmul.ts';
import { rms_norm as normKernel } from '../../kernels/rms_norm.ts';
import { stream_read as streamKernel } from '../../kernels/stream_read.ts';
import { embed_tokens } from '../../reference/embed_tokens.ts';
import { head_matmul } from '../../reference/head_matmul.ts';
import { rms_norm } from '../../reference/rms_norm.ts';
import { stream_read } from '../../reference/stream_read.ts';
import { kernelCase } from '../kernel_case.ts';
import type { KernelCase } from '../kernel_case.ts';
import { Material, padRows, weightBuffers } from '../material.ts';

export function embedCases(): KernelCase[] {
  const shapes = [
    [4, 3, 1],
    [172, 20, 7],
    [300, 11, 3],
  ] as const;
  return WEIGHT_FORMATS.flatMap((format) =>
    shapes.map(([in_dim, rows, tokens], index) => {
      const m = new Material(3000 + index);
      const { packed, values } = m.weights(rows, in_dim, format);
      const position = 2 * index;
      const ids = m.integers(position + tokens, rows);
      const want = embed_tokens(values, in_dim, ids.subarray(position));
      return kernelCase(embedKernel, {
        name: `${tokens} tokens of ${rows}x${in_dim} at ${position}`,
        dims: { in_dim, row_offset: 0, rows, context: ids.length, max_tokens: tokens },
        parts: { weight: format },
        step: { position, num_tokens: tokens },
        buffers: {
          ...weightBuffers(packed),
          tokens: ids,
          hidden: new Float32Array(tokens * paddedLength(in_dim)),
        },
        // f32 because the GPU may fuse d * q + m
        expected: { hidden: { as: 'f32', values: padRows(want, in_dim), tolerance: 'f32' } },
      });
    }),
  ).concat(embedPiece());
}

/** Rows 5..10 of a table: tokens of other pieces are left alone. */
function embedPiece(): KernelCase {
  const m = new Material(31);
  const { packed, values } = m.weights(5, 32, 'f32');
  const ids = Uint32Array.of(4, 5, 9, 10);
  const before = m.floats(4 * 32);
  const want = before.slice();
  want.set(values.subarray(0, 32), 32);
  want.set(values.subarray(4 * 32, 5 * 32), 64);
  return kernelCase(embedKernel, {
    name: 'rows 5..10 of a table in pieces',
    dims: { in_dim: 32, row_offset: 5, rows: 5, context: 4, max_tokens: 4 },
    parts: { weight: 'f32' },
    step: { num_tokens: 4 },
    buffers: { ...weightBuffers(packed), tokens: ids, hidden: before },
    expected: { hidden: { as: 'f32', values: want, tolerance: 'exact' } },
  });
}

export function normCases(): KernelCase[] {
  const shapes = [
    [1, 1],
    [64, 3],
    [172, 2],
    [2050, 5],
  ] as const;
  return shapes.map(([in_dim, tokens], index) => {
    const m = new Material(4000 + index);
    const x = m.floats(tokens * in_dim, 3);
    const norm_weight = m.floats(in_dim);
    const want = padRows(rms_norm(x, norm_weight, 1e-5), in_dim);
    return kernelCase(normKernel, {
      name: `${tokens} rows of ${in_dim}`,
      dims: { in_dim, rms_norm_eps: 1e-5, max_tokens: tokens },
      parts: {},
      step: { num_tokens: tokens },
      buffers: {
        x: padRows(x, in_dim),
        norm_weight: padRows(norm_weight, in_dim),
        out: new Float32Array(want.length),
      },
      expected: { out: { as: 'f32', values: want, tolerance: 'f32' } },
    });
  });
}

export function headMatmulCases(): KernelCase[] {
  const shapes = [
    { num_heads: 1, heads_per_group: 1, in_dim: 4, out_dim: 1, tokens: 1, x_offset: 0 },
    { num_heads: 9, heads_per_group: 3, in_dim: 64, out_dim: 192, tokens: 2, x_offset: 32 },
    { num_heads: 6, heads_per_group: 1, in_dim: 20, out_dim: 65, tokens: 3, x_offset: 4 },
  ] as const;
  return WEIGHT_FORMATS.flatMap((format) =>
    shapes.map(({ tokens, x_offset, ...shape }, index) => {
      const { num_heads, heads_per_group, in_dim, out_dim } = shape;
      const m = new Material(5000 + index);
      const { packed, values } = m.weights((num_heads / heads_per_group) * out_dim, in_dim, format);
      const x = m.floats(tokens * num_heads * in_dim);
      const x_stride = x_offset + num_heads * in_dim + 12;
      const strided = new Float32Array(tokens * x_stride);
      for (let t = 0; t < tokens; t++) {
        strided.set(
          x.subarray(t * num_heads * in_dim, (t + 1) * num_heads * in_dim),
          t * x_stride + x_offset,
        );
      }
      const out_stride = num_heads * out_dim + 4;
      const want = padRows(head_matmul(values, x, shape), num_heads * out_dim, out_stride);
      return kernelCase(headKernel, {
        name: `${tokens} tokens, ${num_heads} heads by ${heads_per_group}, ${out_dim}x${in_dim}`,
        dims: { ...shape, x_stride, x_offset, out_stride, max_tokens: tokens },
        parts: { weight: format },
        step: { num_tokens: tokens },
        buffers: { ...weightBuffers(packed), x: strided, out: new Float32Array(want.length) },
        expected: { out: { as: 'f32', values: want, tolerance: 'f32' } },
      });
    }),
  );
}

export function streamCases(): KernelCase[] {
  return [1, 300, 4097].map((quads, index) => {
    const m = new Material(9500 + index);
    const data = m.floats(quads * 4);
    const threads = 256;
    return kernelCase(streamKernel, {
      name: `${quads} quads`,
      dims: { quads, threads },
      parts: {},
      buffers: { data, out: new Float32Array(threads) },
      expected: { out: { as: 'f32', values: stream_read(data, threads), tolerance: 'f32' } },
    });
  });
}

import { WEIGHT_FORMATS } from '../../core/packed.ts';
import { attention_combine as combineKernel } from '../../kernels/attention_combine.ts';
import { DEFAULT_ADAPTER } from '../../kernels/attention_tuning.ts';
import { attention_unembed as unembedKernel } from '../../kernels/attention_unembed.ts';
import { attention_combine } from '../../reference/attention_combine.ts';
import type { PartialAttention } from '../../reference/attention_partial.ts';
import { attention_unembed } from '../../reference/attention_unembed.ts';
import { kernelCase } from '../kernel_case.ts';
import type { KernelCase } from '../kernel_case.ts';
import { Material, weightBuffers } from '../material.ts';
import { SOFTWARE } from './attention.ts';
import { partialsLayout } from './attention_input.ts';

export function combineCases(): KernelCase[] {
  const shapes = [
    { heads: 1, v_dim: 4, tokens: 1, splits: 2 },
    { heads: 9, v_dim: 64, tokens: 1, splits: 17 },
    { heads: 3, v_dim: 300, tokens: 5, splits: 3 },
    { heads: 2, v_dim: 16, tokens: 2, splits: 5 },
    { heads: 2, v_dim: 520, tokens: 1, splits: 130 },
  ] as const;
  return shapes.map(({ heads, v_dim, tokens, splits }, index) => {
    const parts = randomParts(new Material(8000 + index), tokens * heads, v_dim, splits);
    const want = attention_combine(parts, v_dim);
    return kernelCase(combineKernel, {
      name: `${splits} splits of ${tokens}x${heads}x${v_dim}`,
      dims: {
        groups: heads,
        heads_per_group: 1,
        v_dim,
        out_stride: heads * v_dim,
        max_tokens: tokens,
        max_partials: splits * tokens,
        adapter: index % 2 === 0 ? DEFAULT_ADAPTER : SOFTWARE,
      },
      parts: {},
      step: { num_tokens: tokens, num_splits: splits },
      buffers: { partials: partialsLayout(parts, v_dim), out: new Float32Array(want.length) },
      expected: { out: { as: 'f32', values: want, tolerance: 'f32' } },
    });
  });
}

/** The last split sees nothing, as happens to early tokens of a step. */
function randomParts(m: Material, count: number, v_dim: number, splits: number): PartialAttention[] {
  return Array.from({ length: splits }, (_, s): PartialAttention => {
    const blind = s > 0 && s === splits - 1;
    return {
      sums: blind ? new Float32Array(count * v_dim) : m.floats(count * v_dim),
      maxima: blind ? new Float32Array(count).fill(-1e30) : m.floats(count, 5),
      totals: blind ? new Float32Array(count) : m.floats(count).map((x) => 1.5 + x),
    };
  });
}

export function unembedCases(): KernelCase[] {
  const shapes = [
    { heads: 2, matrices: 1, v_dim: 4, out_dim: 3, tokens: 1, splits: 1 },
    { heads: 9, matrices: 3, v_dim: 160, out_dim: 64, tokens: 1, splits: 17 },
    { heads: 6, matrices: 2, v_dim: 300, out_dim: 70, tokens: 3, splits: 3 },
  ] as const;
  return WEIGHT_FORMATS.map((format, f) => {
    const { heads, matrices, v_dim, out_dim, tokens, splits } = shapes[f % 3] ?? shapes[0];
    const m = new Material(8100 + f);
    const { packed, values } = m.weights(matrices * out_dim, v_dim, format);
    const parts = randomParts(m, tokens * heads, v_dim, splits);
    const per = { num_heads: heads, heads_per_group: heads / matrices };
    const want = attention_unembed(parts, values, { ...per, v_dim, out_dim });
    return kernelCase(unembedKernel, {
      name: `${splits} splits of ${tokens}x${heads}x${v_dim} to ${out_dim}`,
      dims: {
        groups: 1,
        heads_per_group: heads,
        matrices,
        v_dim,
        out_dim,
        out_stride: heads * out_dim,
        max_tokens: tokens,
        max_partials: splits * tokens,
        adapter: f < 3 ? SOFTWARE : DEFAULT_ADAPTER,
      },
      parts: { weight: format },
      step: { num_tokens: tokens, num_splits: splits },
      buffers: {
        ...weightBuffers(packed),
        partials: partialsLayout(parts, v_dim),
        out: new Float32Array(want.length),
      },
      expected: { out: { as: 'f32', values: want, tolerance: 'f32' } },
    });
  });
}

import { cosSinTable } from '../../core/rope.ts';
import { attention_combine as combineKernel } from '../../kernels/attention_combine.ts';
import { attention_partial as partialKernel } from '../../kernels/attention_partial.ts';
import type { AttentionDims } from '../../kernels/attention_partial.ts';
import type { CacheFormat } from '../../kernels/parts.ts';
import { attention_combine } from '../../reference/attention_combine.ts';
import { attention_partial } from '../../reference/attention_partial.ts';
import type { PartialAttention } from '../../reference/attention_partial.ts';
import { kernelCase } from '../kernel_case.ts';
import type { KernelCase } from '../kernel_case.ts';
import { Material, roundToF16, toF16 } from '../material.ts';

interface Shape {
  readonly name: string;
  readonly groups: number;
  readonly heads_per_group: number;
  readonly row_dim: number;
  readonly qk: readonly [offset: number, dim: number];
  readonly v: readonly [offset: number, dim: number];
  readonly rope: readonly [offset: number, dim: number];
  readonly tokens: number;
  readonly position: number;
  readonly splits: number;
}

/** name | groups, heads per group, row | K | V | rope (offset and length each) | tokens, position, splits */
// prettier-ignore
const SHAPES: readonly Shape[] = [
  shape('one head, first token', [1, 1, 8], [0, 4], [4, 4], [0, 0], [1, 0, 1]),
  shape('GQA 4:2', [2, 2, 32], [0, 16], [16, 16], [0, 16], [1, 70, 1]),
  shape('GQA 9:3, splits', [3, 3, 128], [0, 64], [64, 64], [0, 64], [1, 199, 3]),
  shape('MLA, V a prefix of K', [1, 9, 96], [0, 96], [0, 64], [64, 32], [1, 130, 2]),
  shape('MLA exact', [1, 6, 384], [192, 192], [0, 192], [0, 192], [1, 65, 1]),
  shape('DeepSeek row', [1, 16, 576], [0, 576], [0, 512], [512, 64], [1, 20, 1]),
  shape('prefill from nothing', [2, 3, 32], [0, 16], [16, 16], [0, 16], [37, 0, 1]),
  shape('prefill behind a prefix, splits', [1, 5, 48], [0, 48], [0, 32], [32, 16], [7, 100, 4]),
];

type Pair = readonly [number, number];
type Triple = readonly [number, number, number];

function shape(
  name: string,
  [groups, heads_per_group, row_dim]: Triple,
  qk: Pair,
  v: Pair,
  rope: Pair,
  [tokens, position, splits]: Triple,
): Shape {
  return { name, groups, heads_per_group, row_dim, qk, v, rope, tokens, position, splits };
}

export function attentionCases(): KernelCase[] {
  return (['f32', 'f16'] as const).flatMap((cache) =>
    SHAPES.map((one, index) => attentionCase(one, cache, index)),
  );
}

function attentionCase(one: Shape, cacheFormat: CacheFormat, index: number): KernelCase {
  const { groups, heads_per_group, row_dim, tokens, position, splits } = one;
  const [qk_offset, qk_dim] = one.qk;
  const [v_offset, v_dim] = one.v;
  const [rope_offset, rope_dim] = one.rope;
  const m = new Material(7000 + index);
  const num_heads = groups * heads_per_group;
  const max_len = position + tokens + 3;
  const frequencies = Math.max(1, rope_dim / 4);
  const table = cosSinTable(m.floats(frequencies), max_len, 1);
  const pairs = m.integers(rope_dim / 2, frequencies);
  const q = m.floats(tokens * num_heads * qk_dim, 2);
  const rows = m.floats(groups * max_len * row_dim);
  const cache = cacheFormat === 'f16' ? roundToF16(rows) : rows;
  const q_offset = 4;
  const q_stride = q_offset + num_heads * qk_dim + 8;
  const strided = new Float32Array(tokens * q_stride);
  for (let t = 0; t < tokens; t++) {
    strided.set(q.subarray(t * num_heads * qk_dim, (t + 1) * num_heads * qk_dim), t * q_stride + q_offset);
  }
  const softmax_scale = 1 / Math.sqrt(qk_dim);
  const split_len = Math.ceil((position + tokens) / splits);
  const parts = Array.from({ length: splits }, (_, s) =>
    attention_partial(
      q,
      cache,
      position,
      s * split_len,
      (s + 1) * split_len,
      { groups, heads_per_group, row_dim, max_len, qk_offset, qk_dim, v_offset, v_dim, softmax_scale },
      { offset: rope_offset, dim: rope_dim, pairs, table, frequencies },
    ),
  );
  const dims: AttentionDims = {
    groups,
    heads_per_group,
    row_dim,
    qk_offset,
    qk_dim,
    v_offset,
    v_dim,
    rope_offset,
    rope_dim,
    rope_frequencies: frequencies,
    softmax_scale,
    q_stride,
    q_offset,
    out_stride: num_heads * v_dim,
    max_len,
    max_tokens: tokens,
    max_partials: splits * tokens,
  };
  const out = attention_combine(parts, v_dim);
  return kernelCase(partialKernel, {
    name: `${one.name} (${tokens} at ${position})`,
    dims,
    parts: { cache: cacheFormat },
    step: { position, num_tokens: tokens, num_splits: splits, split_len },
    buffers: {
      q: strided,
      cache: cacheFormat === 'f16' ? toF16(cache) : cache,
      rope_table: table,
      rope_pairs: pairs.length > 0 ? pairs : new Uint32Array(1),
      out: new Float32Array(out.length),
      partials: new Float32Array(splits * tokens * num_heads * (v_dim + 4)),
    },
    expected:
      splits === 1
        ? { out: { as: 'f32', values: out, tolerance: 'f32' } }
        : { partials: { as: 'f32', values: partialsLayout(parts, v_dim), tolerance: 'f32' } },
  });
}

/** [splits, tokens, heads, v_dim + 4]: sums, then max, total, 0, 0 */
function partialsLayout(parts: readonly PartialAttention[], v_dim: number): Float32Array<ArrayBuffer> {
  const count = parts[0]?.maxima.length ?? 0;
  const out = new Float32Array(parts.length * count * (v_dim + 4));
  for (const [s, { sums, maxima, totals }] of parts.entries()) {
    for (let i = 0; i < count; i++) {
      const base = (s * count + i) * (v_dim + 4);
      out.set(sums.subarray(i * v_dim, (i + 1) * v_dim), base);
      out[base + v_dim] = maxima[i] ?? 0;
      out[base + v_dim + 1] = totals[i] ?? 0;
    }
  }
  return out;
}

export function combineCases(): KernelCase[] {
  const shapes = [
    { heads: 1, v_dim: 4, tokens: 1, splits: 2 },
    { heads: 9, v_dim: 64, tokens: 1, splits: 17 },
    { heads: 3, v_dim: 300, tokens: 5, splits: 3 },
  ] as const;
  return shapes.map(({ heads, v_dim, tokens, splits }, index) => {
    const m = new Material(8000 + index);
    const count = tokens * heads;
    const parts = Array.from({ length: splits }, (_, s): PartialAttention => {
      // The last split sees nothing, as happens to early tokens of a step.
      const blind = s === splits - 1;
      return {
        sums: blind ? new Float32Array(count * v_dim) : m.floats(count * v_dim),
        maxima: blind ? new Float32Array(count).fill(-1e30) : m.floats(count, 5),
        totals: blind ? new Float32Array(count) : m.floats(count).map((x) => 1.5 + x),
      };
    });
    const want = attention_combine(parts, v_dim);
    return kernelCase(combineKernel, {
      name: `${splits} splits of ${tokens}x${heads}x${v_dim}`,
      dims: {
        groups: heads,
        heads_per_group: 1,
        row_dim: v_dim,
        qk_offset: 0,
        qk_dim: v_dim,
        v_offset: 0,
        v_dim,
        rope_offset: 0,
        rope_dim: 0,
        rope_frequencies: 1,
        softmax_scale: 1,
        q_stride: 0,
        q_offset: 0,
        out_stride: heads * v_dim,
        max_len: 1,
        max_tokens: tokens,
        max_partials: splits * tokens,
      },
      parts: {},
      step: { num_tokens: tokens, num_splits: splits },
      buffers: { partials: partialsLayout(parts, v_dim), out: new Float32Array(want.length) },
      expected: { out: { as: 'f32', values: want, tolerance: 'f32' } },
    });
  });
}

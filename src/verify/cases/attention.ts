import type { CacheFormat } from '../../core/cache_rows.ts';
import { CACHE_FORMATS } from '../../core/cache_rows.ts';
import { cosSinTable } from '../../core/rope.ts';
import { attention_combine as combineKernel } from '../../kernels/attention_combine.ts';
import { attention_decode as decodeKernel } from '../../kernels/attention_decode.ts';
import type { DecodeRow, DecodeTuning } from '../../kernels/attention_decode.ts';
import { attention_partial as partialKernel } from '../../kernels/attention_partial.ts';
import type { AttentionDims } from '../../kernels/attention_partial.ts';
import { DEFAULT_ADAPTER } from '../../kernels/attention_tuning.ts';
import type { AttentionAdapter } from '../../kernels/attention_tuning.ts';
import type { Step } from '../../gpu/step.ts';
import { attention_combine } from '../../reference/attention_combine.ts';
import { attention_partial } from '../../reference/attention_partial.ts';
import type { PartialAttention } from '../../reference/attention_partial.ts';
import { packCache, unpackCache } from '../../reference/cache_rows.ts';
import type { StagedForm } from '../../reference/staged_row.ts';
import type { Rope } from '../../reference/rotate.ts';
import { kernelCase } from '../kernel_case.ts';
import type { Expected, KernelCase } from '../kernel_case.ts';
import { Material } from '../material.ts';
import { gqa, recon, reuse, strict } from './attention_shapes.ts';
import type { FormShape } from './attention_shapes.ts';

interface Shape {
  readonly name: string;
  readonly heads: Pair;
  readonly form: FormShape;
  readonly tokens: number;
  readonly position: number;
  readonly splits: number;
}

/** Every form in decode and in prefill, with groups that end short and an odd number of quads; in all cache formats. */
// prettier-ignore
const FORMS: readonly Shape[] = [
  shape('GQA', [3, 3], gqa(24), [1, 70, 3]),
  shape('GQA', [2, 3], gqa(40), [13, 0, 1]),
  shape('GQA, keys rotated late', [3, 3], gqa(24, 'rotate'), [1, 70, 3]),
  shape('GQA, keys rotated late', [2, 3], gqa(40, 'rotate'), [13, 0, 1]),
  shape('strict', [1, 9], strict(36, 24, 0), [1, 130, 2]),
  shape('strict, part of it scored', [1, 5], strict(44, 8, 12), [7, 100, 4]),
  shape('reuse', [1, 9], reuse(36, 24), [1, 130, 2]),
  shape('reuse', [1, 5], reuse(44, 8), [7, 33, 1]),
  shape('recon', [1, 9], recon(36, 24), [1, 130, 2]),
  shape('recon', [1, 5], recon(68, 40), [7, 33, 1]),
];

/** Real models' and extreme shapes. */
// prettier-ignore
const SHAPES: readonly Shape[] = [
  shape('one head, first token', [1, 1], gqa(8), [1, 0, 1]),
  shape('SmolLM2, all of it', [1, 9], strict(192, 192, 192), [1, 65, 1]),
  shape('SmolLM2, half', [1, 9], reuse(128, 64), [1, 65, 1]),
  shape('20 heads', [1, 20], strict(32, 16, 0), [1, 40, 1]),
  shape('prefill from nothing', [2, 3], gqa(16), [37, 0, 1]),
];

/** What needs the memory of WebGPU's smallest device, or uses it. */
// prettier-ignore
const WIDE: readonly Shape[] = [
  shape('SmolLM2', [3, 3], gqa(64), [1, 199, 3]),
  shape('DeepSeek', [1, 16], strict(512, 64, 0), [1, 20, 1]),
  shape('widest', [1, 16], recon(576, 64), [1, 20, 1]),
];

/** Few threads; little workgroup memory, which SwiftShader compiles quickly, and small tiles. */
const SOFTWARE: AttentionAdapter = { software: true, workgroupBytes: 4096, subgroupSize: 0 };
/** A GPU's threads, in less memory than any has. */
const SMALL_GPU: AttentionAdapter = { software: false, workgroupBytes: 8192, subgroupSize: 0 };

type Pair = readonly [number, number];
type Triple = readonly [number, number, number];

function shape(name: string, heads: Pair, form: FormShape, [tokens, position, splits]: Triple): Shape {
  return { name, heads, form, tokens, position, splits };
}

export function attentionCases(): KernelCase[] {
  const all = (shapes: readonly Shape[], format: CacheFormat, adapter: AttentionAdapter): KernelCase[] =>
    shapes.map((one, index) => attentionCase(one, format, index, adapter));
  return [
    ...CACHE_FORMATS.flatMap((format) => all(FORMS, format, SOFTWARE)),
    ...all(
      FORMS.filter(({ tokens }) => tokens === 1),
      'int8',
      SMALL_GPU,
    ),
    ...all(SHAPES, 'f16', SMALL_GPU),
    ...all(WIDE, 'f16', DEFAULT_ADAPTER),
  ];
}

function attentionCase(
  one: Shape,
  format: CacheFormat,
  index: number,
  adapter: AttentionAdapter,
): KernelCase {
  return kernelCase(partialKernel, {
    name: `${one.name} (${one.tokens} at ${one.position})${adapter.software ? ' few threads,' : ''}`,
    parts: { cache: format, row: one.form.row },
    ...attentionInput(one, format, index, adapter),
  });
}

/** What attention_decode does on its own: shares of rows that do not come out even, heads of several blocks, teams without a row. */
// prettier-ignore
const DECODE: readonly { readonly one: Shape; readonly tuning: DecodeTuning; readonly formats: readonly CacheFormat[] }[] = [
  decode(shape('GQA', [3, 3], gqa(24), [1, 70, 3]), [4, 3, 1, 2], CACHE_FORMATS),
  decode(shape('GQA, keys rotated late', [2, 3], gqa(40, 'rotate'), [1, 33, 1]), [4, 2, 2, 2], CACHE_FORMATS),
  decode(shape('strict', [1, 9], strict(36, 24, 0), [1, 130, 2]), [4, 3, 3, 2], CACHE_FORMATS),
  decode(shape('strict, part of it scored', [1, 5], strict(44, 8, 12), [1, 100, 4]), [4, 5, 1, 4], ['f16']),
  decode(shape('reuse', [1, 9], reuse(36, 24), [1, 130, 2]), [4, 5, 1, 2], CACHE_FORMATS),
  decode(shape('first token', [1, 1], gqa(8), [1, 0, 1]), [4, 1, 1, 2], ['f32', 'int4']),
  decode(shape('SmolLM2', [3, 3], gqa(64), [1, 199, 3]), [8, 3, 1, 16], ['f16']),
  decode(shape('SmolLM2, a quarter', [1, 9], reuse(64, 32), [1, 199, 1]), [8, 3, 3, 4], ['f16', 'int4']),
  decode(shape('SmolLM2, all of it', [1, 9], strict(192, 192, 192), [1, 65, 1]), [32, 5, 2, 2], ['f16']),
];

function decode(
  one: Shape,
  [LANES, HEADS, BLOCKS, TEAMS]: readonly [number, number, number, number],
  formats: readonly CacheFormat[],
): (typeof DECODE)[number] {
  return { one, tuning: { LANES, HEADS, BLOCKS, TEAMS }, formats };
}

export function decodeCases(): KernelCase[] {
  return DECODE.flatMap(({ one, tuning, formats }, index) =>
    formats.map((format) => {
      const { dims, ...input } = attentionInput(one, format, 100 + index, DEFAULT_ADAPTER);
      const { LANES, HEADS, BLOCKS, TEAMS } = tuning;
      return kernelCase(decodeKernel, {
        name: `${one.name} (at ${one.position}) ${LANES} lanes, ${BLOCKS} x ${HEADS} heads, ${TEAMS} teams,`,
        subgroupSize: LANES,
        dims: { ...dims, tuning },
        parts: { cache: format, row: decodeRow(one.form) },
        ...input,
      });
    }),
  );
}

function decodeRow({ row }: FormShape): DecodeRow {
  if (row === 'recon') throw new RangeError('attention_decode does not read recon');
  return row;
}

interface AttentionInput {
  readonly dims: AttentionDims;
  readonly step: Step;
  readonly buffers: Record<
    'q' | 'cache' | 'rope_table' | 'rope_pairs' | 'rope_map' | 'out' | 'partials',
    ArrayBufferView<ArrayBuffer>
  >;
  readonly expected: { readonly out: Expected } | { readonly partials: Expected };
}

/** Dims, buffers and the twin's values of one shape. */
function attentionInput(
  one: Shape,
  format: CacheFormat,
  index: number,
  adapter: AttentionAdapter,
): AttentionInput {
  const { form, tokens, position, splits } = one;
  const [groups, heads_per_group] = one.heads;
  const { row_dim, qk_dim, v_dim, rope_offset, rope_dim, key_rope_offset } = form;
  const m = new Material(7000 + index);
  const num_heads = groups * heads_per_group;
  const max_len = position + tokens + 3;
  const frequencies = Math.max(1, rope_dim / 4);
  // As with YaRN, the table may be of other lengths than one.
  const table = cosSinTable(m.floats(frequencies), max_len, 1 + (index % 2) / 4);
  const pairs = m.integers(rope_dim / 2, frequencies);
  const q = m.floats(tokens * num_heads * qk_dim, 2);
  const shapeOfCache = { groups, row_dim, split_dim: form.split_dim, max_len };
  const cache = packCache(m.floats(groups * max_len * row_dim), shapeOfCache, format);
  const rope = { dim: rope_dim, pairs, table, frequencies };
  const { staged, rope_map } = stagedForm(form, { ...rope, offset: key_rope_offset }, m);
  const q_offset = 4;
  const q_stride = q_offset + num_heads * qk_dim + 8;
  const strided = new Float32Array(tokens * q_stride);
  for (let t = 0; t < tokens; t++) {
    strided.set(q.subarray(t * num_heads * qk_dim, (t + 1) * num_heads * qk_dim), t * q_stride + q_offset);
  }
  const softmax_scale = 1 / Math.sqrt(qk_dim);
  const split_len = Math.ceil((position + tokens) / splits);
  const values = unpackCache(cache, shapeOfCache, format);
  const parts = Array.from({ length: splits }, (_, s) =>
    attention_partial(
      q,
      values,
      position,
      s * split_len,
      (s + 1) * split_len,
      { groups, heads_per_group, max_len, softmax_scale, ...form },
      { ...rope, offset: rope_offset },
      staged,
    ),
  );
  const { row: _, ...formDims } = form;
  const dims: AttentionDims = {
    ...formDims,
    groups,
    heads_per_group,
    rope_frequencies: frequencies,
    softmax_scale,
    q_stride,
    q_offset,
    out_stride: num_heads * v_dim,
    max_len,
    max_tokens: tokens,
    max_partials: splits * tokens,
    adapter,
  };
  const out = attention_combine(parts, v_dim);
  return {
    dims,
    step: { position, num_tokens: tokens, num_splits: splits, split_len },
    buffers: {
      q: strided,
      cache,
      rope_table: table,
      rope_pairs: pairs.length > 0 ? pairs : new Uint32Array(1),
      rope_map,
      out: new Float32Array(out.length),
      partials: new Float32Array(splits * tokens * num_heads * (v_dim + 4)),
    },
    expected:
      splits === 1
        ? { out: { as: 'f32', values: out, tolerance: 'f32' } }
        : { partials: { as: 'f32', values: partialsLayout(parts, v_dim), tolerance: 'f32' } },
  };
}

/** What the twin needs to know of the form, and the same as the kernel's rope_map. */
function stagedForm(
  { row, row_dim, rope_dim }: FormShape,
  rope: Rope,
  m: Material,
): { staged: StagedForm; rope_map: Float32Array<ArrayBuffer> } {
  switch (row) {
    case 'plain':
      return { staged: { row }, rope_map: new Float32Array(4) };
    case 'rotate':
      return { staged: { row, rope }, rope_map: new Float32Array(4) };
    case 'reuse': {
      const mean = m.floats(rope_dim);
      return { staged: { row, rope, mean }, rope_map: mean };
    }
    case 'recon': {
      const matrix = m.floats(rope_dim * row_dim, 1.5 / Math.sqrt(row_dim));
      const bias = m.floats(rope_dim);
      const rope_map = new Float32Array((row_dim + 1) * rope_dim);
      matrix.forEach((value, i) => (rope_map[(i % row_dim) * rope_dim + Math.floor(i / row_dim)] = value));
      rope_map.set(bias, row_dim * rope_dim);
      return { staged: { row, rope, matrix, bias }, rope_map };
    }
  }
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
    { heads: 2, v_dim: 16, tokens: 2, splits: 5 },
    { heads: 2, v_dim: 520, tokens: 1, splits: 130 },
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

import { quantsPerWord } from '../../core/cache_rows.ts';
import type { CacheFormat } from '../../core/cache_rows.ts';
import { cosSinTable } from '../../core/rope.ts';
import type { Step } from '../../gpu/step.ts';
import type { AttentionBuffer, AttentionDims } from '../../kernels/attention_partial.ts';
import type { AttentionAdapter } from '../../kernels/attention_tuning.ts';
import type { NewRow } from '../../kernels/cache_constants.ts';
import { attention_combine } from '../../reference/attention_combine.ts';
import { attention_partial } from '../../reference/attention_partial.ts';
import type { PartialAttention } from '../../reference/attention_partial.ts';
import { packCache, packRow, unpackCache } from '../../reference/cache_rows.ts';
import type { Rope } from '../../reference/rotate.ts';
import type { StagedForm } from '../../reference/staged_row.ts';
import { store_rows } from '../../reference/store_rows.ts';
import type { Expected } from '../kernel_case.ts';
import { Material } from '../material.ts';
import type { FormShape } from './attention_shapes.ts';
import { putOnGrid } from './store.ts';

export interface Shape {
  readonly name: string;
  readonly heads: Pair;
  readonly form: FormShape;
  readonly tokens: number;
  readonly position: number;
  readonly splits: number;
}

type Pair = readonly [number, number];
type Triple = readonly [number, number, number];

export function shape(name: string, heads: Pair, form: FormShape, [tokens, position, splits]: Triple): Shape {
  return { name, heads, form, tokens, position, splits };
}

export interface AttentionInput {
  readonly dims: AttentionDims;
  readonly step: Step;
  readonly buffers: Record<AttentionBuffer, ArrayBufferView<ArrayBuffer>>;
  readonly expected: Readonly<Partial<Record<'out' | 'partials' | 'cache', Expected>>>;
}

/** Dims, buffers and the twin's values of one shape. @param appends its one token's row is not in the cache before */
export function attentionInput(
  one: Shape,
  format: CacheFormat,
  index: number,
  adapter: AttentionAdapter,
  appends: boolean,
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
  const added = appends ? newRow(one, format, rope, m) : null;
  const after = added ? storeRow(cache, added, one, max_len, format) : cache;
  const values = unpackCache(after, shapeOfCache, format);
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
    append: added?.place ?? null,
    keeps_partials: splits === 1 && index % 3 === 2,
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
      kv: added?.kv ?? new Float32Array(4),
    },
    expected: {
      ...(splits === 1 && !dims.keeps_partials
        ? { out: { as: 'f32', values: out, tolerance: 'f32' } }
        : { partials: { as: 'f32', values: partialsLayout(parts, v_dim), tolerance: 'f32' } }),
      // Row by row: what lay there before, and the new one.
      cache: {
        as: (bytes) => unpackCache(new Uint8Array(bytes), shapeOfCache, format),
        values,
        tolerance: format === 'f16' ? 'f16' : 'f32',
      },
    },
  };
}

interface AddedRow {
  /** [groups, row_dim], as the projections give it */
  readonly rows: Float32Array<ArrayBuffer>;
  readonly kv: Float32Array<ArrayBuffer>;
  readonly place: NewRow;
  readonly rope: Rope;
}

/** Rotated where the form rotates keys when they are stored; on a grid where a quantised cache could round either way. */
function newRow(
  { form, heads: [groups] }: Shape,
  format: CacheFormat,
  rope: Omit<Rope, 'offset'>,
  m: Material,
): AddedRow {
  const { row, row_dim, split_dim, key_rope_offset, rope_dim } = form;
  const quantised = quantsPerWord(format) !== null;
  const rows = m.floats(groups * row_dim);
  if (quantised) putOnGrid(rows, form, format === 'int8' ? 255 : 15, m);
  const place: NewRow = {
    rope_offset: key_rope_offset,
    rope_dim: row === 'plain' && !quantised ? rope_dim : 0,
    first_offset: 8,
    second_offset: 12 + groups * split_dim,
    kv_stride: 16 + groups * row_dim,
  };
  const kv = new Float32Array(place.kv_stride);
  for (let g = 0; g < groups; g++) {
    const values = rows.subarray(g * row_dim, (g + 1) * row_dim);
    kv.set(values.subarray(0, split_dim), place.first_offset + g * split_dim);
    kv.set(values.subarray(split_dim), place.second_offset + g * (row_dim - split_dim));
  }
  return { rows, kv, place, rope: { ...rope, offset: place.rope_offset, dim: place.rope_dim } };
}

/** The cache with the row, packed. */
function storeRow(
  cache: Uint8Array<ArrayBuffer>,
  { rows, rope }: AddedRow,
  { form: { row_dim, split_dim }, heads: [groups], position }: Shape,
  max_len: number,
  format: CacheFormat,
): Uint8Array<ArrayBuffer> {
  const shapeOfCache = { groups, row_dim, split_dim, max_len };
  const stored = store_rows(new Float32Array(groups * max_len * row_dim), rows, position, shapeOfCache, rope);
  const bytes = cache.slice();
  for (let g = 0; g < groups; g++) {
    const from = (g * max_len + position) * row_dim;
    packRow(bytes, stored.slice(from, from + row_dim), g, position, shapeOfCache, format);
  }
  return bytes;
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
export function partialsLayout(parts: readonly PartialAttention[], v_dim: number): Float32Array<ArrayBuffer> {
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

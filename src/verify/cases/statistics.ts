import { cosSinTable } from '../../core/rope.ts';
import { attention_reach as reachKernel, reachBytes } from '../../kernels/attention_reach.ts';
import { attention_spread as spreadKernel, tilesOf } from '../../kernels/attention_spread.ts';
import type { WholeAttentionDims } from '../../kernels/attention_spread.ts';
import { quadratic_forms as formsKernel } from '../../kernels/quadratic_forms.ts';
import { reach_sums as sumsKernel } from '../../kernels/reach_sums.ts';
import { attention_reach } from '../../reference/attention_reach.ts';
import { attention_spread, headScores } from '../../reference/attention_spread.ts';
import type { HeadScores } from '../../reference/attention_spread.ts';
import { quadratic_forms } from '../../reference/quadratic_forms.ts';
import { reach_sums } from '../../reference/reach_sums.ts';
import { rotate } from '../../reference/rotate.ts';
import { kernelCase } from '../kernel_case.ts';
import type { KernelCase } from '../kernel_case.ts';
import { Material } from '../material.ts';

/** [groups, heads per group, head_dim, tokens, tokens that there is room for] */
const SHAPES = [
  [1, 1, 8, 1, 1],
  [2, 3, 24, 63, 70],
  [1, 2, 16, 65, 200],
  [3, 3, 64, 130, 130],
] as const;

interface Whole {
  readonly name: string;
  readonly dims: WholeAttentionDims;
  readonly tokens: number;
  readonly heads: number;
  /** Of each head. */
  readonly scores: readonly HeadScores[];
  readonly material: Material;
  readonly buffers: Record<'q' | 'cache' | 'rope_table' | 'rope_pairs', ArrayBufferView<ArrayBuffer>>;
}

function whole([groups, share, head_dim, tokens, room]: (typeof SHAPES)[number], index: number): Whole {
  const m = new Material(9500 + index);
  const heads = groups * share;
  const frequencies = head_dim / 2;
  const table = cosSinTable(m.floats(frequencies), room, 1);
  const pairs = Uint32Array.from({ length: frequencies }, (_, f) => f);
  const dims: WholeAttentionDims = {
    groups,
    heads_per_group: share,
    head_dim,
    row_dim: 2 * head_dim,
    rope_frequencies: frequencies,
    softmax_scale: head_dim ** -0.5,
    q_stride: 4 + heads * head_dim + 8,
    q_offset: 4,
    max_len: room + 3,
    max_tokens: room,
  };
  const q = m.floats(room * dims.q_stride, 3);
  const cache = m.floats(groups * dims.max_len * dims.row_dim, 2);
  const scores = Array.from({ length: heads }, (_, h) => {
    const turned = new Float32Array(tokens * head_dim);
    const keys = new Float32Array(tokens * head_dim);
    for (let t = 0; t < tokens; t++) {
      const from = t * dims.q_stride + dims.q_offset + h * head_dim;
      const rope = { offset: 0, dim: head_dim, pairs, table, frequencies };
      turned.set(rotate(q.slice(from, from + head_dim), t, rope), t * head_dim);
      const row = (Math.floor(h / share) * dims.max_len + t) * dims.row_dim;
      keys.set(cache.subarray(row, row + head_dim), t * head_dim);
    }
    return headScores(turned, keys, head_dim, dims.softmax_scale);
  });
  const buffers = { q, cache, rope_table: table, rope_pairs: pairs };
  const name = `${groups} x ${share} heads of ${head_dim}, ${tokens} tokens`;
  return { name, dims, tokens, heads, scores, material: m, buffers };
}

/** Column h of [tokens, heads]. */
function column(values: Float32Array, h: number, heads: number, tokens: number): Float32Array {
  return Float32Array.from({ length: tokens }, (_, t) => values[t * heads + h] ?? NaN);
}

export function spreadCases(): KernelCase[] {
  return SHAPES.map((shape, index) => {
    const { name, dims, tokens, heads, scores, material: m, buffers } = whole(shape, index);
    const value_forms = m.floats(dims.max_tokens * heads).map((x) => x + 1);
    // Some larger than any mean of u, so that the floor is met.
    const output_forms = m.floats(dims.max_tokens * heads, 1.5);
    const lse = new Float32Array(tokens * heads);
    const spread = new Float32Array(tokens * heads);
    scores.forEach(({ p, lse: sums }, h) => {
      const u = column(value_forms, h, heads, tokens);
      const a = attention_spread(p, u, column(output_forms, h, heads, tokens));
      for (let t = 0; t < tokens; t++) {
        lse[t * heads + h] = sums[t] ?? NaN;
        spread[t * heads + h] = a[t] ?? NaN;
      }
    });
    const empty = new Float32Array(dims.max_tokens * heads);
    return kernelCase(spreadKernel, {
      name,
      dims,
      parts: {},
      step: { num_tokens: tokens },
      buffers: { ...buffers, value_forms, output_forms, lse: empty, spread: empty },
      expected: {
        lse: { as: 'f32', values: lse, tolerance: 'f32' },
        spread: { as: 'f32', values: spread, tolerance: 'f32' },
      },
    });
  });
}

export function reachCases(): KernelCase[] {
  return SHAPES.map((shape, index) => {
    const { name, dims, tokens, heads, scores, material: m, buffers } = whole(shape, index);
    const { groups, heads_per_group: share, max_tokens } = dims;
    const spread = m.floats(max_tokens * heads).map((x) => x + 1);
    const lse = new Float32Array(max_tokens * heads);
    scores.forEach((one, h) => one.lse.forEach((value, t) => (lse[t * heads + h] = value)));
    const tiles = tilesOf(max_tokens);
    const sizes = reachBytes(dims);
    const received = new Float32Array(sizes.received_parts / 4);
    const distances = new Float32Array(sizes.distance_parts / 4);
    for (let g = 0; g < groups; g++) {
      const of = scores.slice(g * share, (g + 1) * share).map(({ p }) => p);
      const a = of.map((_, k) => column(spread, g * share + k, heads, tokens));
      for (let i = 0; i < tilesOf(tokens); i++) {
        for (let j = 0; j <= i; j++) {
          const tile = (k: number): [number, number] => [k * 64, k * 64 + 64];
          const reach = attention_reach(of, a, tile(i), tile(j));
          const rows = (g * tiles + i) * tiles * 64;
          for (let n = j * 64; n < Math.min(tokens, j * 64 + 64); n++)
            received[rows + n] = reach.received[n] ?? NaN;
          for (let d = 0; d < 127; d++) {
            const value = reach.distances[64 * (i - j) + d - 63] ?? 0;
            distances[((g * tiles + i) * tiles + j) * 128 + d] = value;
          }
        }
      }
    }
    return kernelCase(reachKernel, {
      name,
      dims,
      parts: {},
      step: { num_tokens: tokens },
      buffers: {
        ...buffers,
        lse,
        spread,
        received_parts: new Float32Array(received.length),
        distance_parts: new Float32Array(distances.length),
      },
      expected: {
        received_parts: { as: 'f32', values: received, tolerance: 'f32' },
        distance_parts: { as: 'f32', values: distances, tolerance: 'f32' },
      },
    });
  });
}

export function reachSumsCases(): KernelCase[] {
  return SHAPES.map(([groups, , , tokens, max_tokens], index) => {
    const m = new Material(9700 + index);
    const tiles = tilesOf(max_tokens);
    const received_parts = m.floats(groups * tiles * tiles * 64);
    const distance_parts = m.floats(groups * tiles * tiles * 128);
    const histogram = m.floats(groups * max_tokens);
    const sums = reach_sums(received_parts, distance_parts, groups, tiles, tokens);
    const want = histogram.slice();
    for (let g = 0; g < groups; g++) {
      for (let d = 0; d < tokens; d++) {
        want[g * max_tokens + d] = (want[g * max_tokens + d] ?? 0) + (sums.histogram[g * tokens + d] ?? 0);
      }
    }
    return kernelCase(sumsKernel, {
      name: `${groups} groups, ${tokens} of ${max_tokens} tokens`,
      dims: { groups, max_tokens },
      parts: {},
      step: { num_tokens: tokens },
      buffers: { received_parts, distance_parts, received: new Float32Array(max_tokens), histogram },
      expected: {
        received: { as: 'f32', values: sums.received, tolerance: 'f32' },
        histogram: { as: 'f32', values: want, tolerance: 'f32' },
      },
    });
  });
}

/** [heads, share, dim, tokens] */
const FORM_SHAPES = [
  [1, 1, 4, 1],
  [6, 3, 24, 17],
  [9, 3, 64, 33],
  [2, 1, 128, 5],
] as const;

export function formsCases(): KernelCase[] {
  return FORM_SHAPES.map(([num_heads, share, dim, tokens], index) => {
    const m = new Material(9800 + index);
    const x_stride = 3 + (num_heads / share) * dim + 5;
    const x = m.floats(tokens * x_stride, 1.5);
    const vectors = Float32Array.from({ length: (tokens * num_heads * dim) / share }, (_, i) => {
      const width = (num_heads / share) * dim;
      return x[Math.floor(i / width) * x_stride + 3 + (i % width)] ?? NaN;
    });
    const raw = m.floats(num_heads * dim * dim, 1 / dim);
    const forms = raw.map((value, i) => {
      const [h, row, col] = [Math.floor(i / (dim * dim)), Math.floor(i / dim) % dim, i % dim];
      return (value + (raw[(h * dim + col) * dim + row] ?? NaN)) / 2;
    });
    return kernelCase(formsKernel, {
      name: `${num_heads} heads of ${dim}, ${share} a vector, ${tokens} tokens`,
      dims: { num_heads, share, dim, x_stride, x_offset: 3, max_tokens: tokens },
      parts: {},
      step: { num_tokens: tokens },
      buffers: { x, forms, out: new Float32Array(tokens * num_heads) },
      expected: {
        out: { as: 'f32', values: quadratic_forms(vectors, forms, num_heads, share, dim), tolerance: 'f32' },
      },
    });
  });
}

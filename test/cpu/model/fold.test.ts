import { describe, expect, test } from 'vitest';
import type { FoldableMla, Linear } from '../../../src/core/layers.ts';
import { unpack } from '../../../src/core/packed.ts';
import type { WeightFormat } from '../../../src/core/packed.ts';
import { quantize } from '../../../src/core/quantize.ts';
import { SHAPES } from '../../../src/core/shapes.ts';
import { factorBytes, foldProjections, outputFolds, queryFolds } from '../../../src/model/fold.ts';
import { head_matmul } from '../../../src/reference/head_matmul.ts';
import { matmul } from '../../../src/reference/matmul.ts';
import { Material } from '../../../src/verify/material.ts';

const HIDDEN = 64;
const HEADS = 4;
const GROUPS = 2;
const HEAD_DIM = 16;
const QK_DIM = 24;
const V_DIM = 8;

function layer(format: WeightFormat): FoldableMla {
  const m = new Material(3);
  const linear = (rows: number, cols: number, bias: boolean, of = format): Linear => ({
    pieces: [quantize(m.floats(rows * cols), rows, cols, of)],
    bias: bias ? m.floats(rows) : null,
  });
  const matrix = (rows: number, cols: number): Linear['pieces'][number] =>
    quantize(m.floats(rows * cols), rows, cols, 'f32');
  return {
    form: 'mla',
    latent: 'strict',
    kv_lora_rank: V_DIM,
    qk_rope_head_dim: 16,
    qk_offset: 0,
    groups: GROUPS,
    q_proj: linear(HEADS * HEAD_DIM, HIDDEN, true),
    kv_a_proj: linear(V_DIM + 16, HIDDEN, true, 'f32'),
    embed_q: matrix(GROUPS * QK_DIM, HEAD_DIM),
    unembed_out: matrix(GROUPS * HEAD_DIM, V_DIM),
    o_proj: linear(HIDDEN, HEADS * HEAD_DIM, false),
    rope_pairs: new Uint32Array(8),
    rope_rebuild: null,
    rope_mean: null,
  };
}

function apply({ pieces, bias }: Linear, x: Float32Array): Float32Array {
  const [piece] = pieces;
  if (!piece || pieces.length !== 1) throw new RangeError('one piece expected');
  return matmul(unpack(piece), x, piece.cols, bias);
}

function near(got: Float32Array, want: Float32Array): void {
  expect(got.length).toBe(want.length);
  got.forEach((value, i) => expect(value).toBeCloseTo(want[i] ?? NaN, 4));
}

describe('products made ahead', () => {
  const per = { num_heads: HEADS, heads_per_group: HEADS / GROUPS };

  test('give the same queries, biases counted, and the same outputs', () => {
    const apart = layer('f32');
    const folded = foldProjections(apart, HEADS, null);
    if (!apart.embed_q || !apart.unembed_out) throw new RangeError('matrices expected');
    expect([folded.embed_q, folded.unembed_out]).toEqual([null, null]);
    const m = new Material(4);
    const x = m.floats(HIDDEN);
    const dims = { ...per, in_dim: HEAD_DIM, out_dim: QK_DIM };
    near(apply(folded.q_proj, x), head_matmul(unpack(apart.embed_q), apply(apart.q_proj, x), dims));
    const attended = m.floats(HEADS * V_DIM);
    const heads = head_matmul(unpack(apart.unembed_out), attended, {
      ...per,
      in_dim: V_DIM,
      out_dim: HEAD_DIM,
    });
    near(apply(folded.o_proj, attended), apply(apart.o_proj, heads));
  });

  test('of quantised weights only where the latent is narrower than keys and values were, and kv_a_proj with them', () => {
    const apart = layer('q4_1');
    const folded = foldProjections(apart, HEADS, null);
    expect([folded.embed_q, folded.unembed_out]).toEqual([null, null]);
    const formats = [folded.q_proj, folded.kv_a_proj, folded.o_proj].map(({ pieces }) => pieces[0]?.format);
    expect(formats).toEqual(['q8_0', 'q8_0', 'q8_0']);
    const exact = (linear: Linear): Linear => ({
      ...linear,
      pieces: linear.pieces.map((one) => quantize(unpack(one), one.rows, one.cols, 'f32')),
    });
    const want = foldProjections(
      { ...apart, q_proj: exact(apart.q_proj), o_proj: exact(apart.o_proj) },
      HEADS,
      'q8_0',
    );
    expect([folded.q_proj, folded.o_proj]).toEqual([want.q_proj, want.o_proj]);
    const wide = { ...apart, kv_lora_rank: 2 * GROUPS * HEAD_DIM - 16 };
    expect(foldProjections(wide, HEADS, null)).toEqual(wide);
  });

  test('and quantised once, behind the product', () => {
    const apart = layer('f32');
    const exact = foldProjections(apart, HEADS, null);
    const { q_proj, o_proj } = foldProjections(apart, HEADS, 'q8_0');
    for (const [got, want] of [
      [q_proj, exact.q_proj],
      [o_proj, exact.o_proj],
    ] as const) {
      const piece = want.pieces[0];
      if (!piece) throw new RangeError('a piece expected');
      expect(got.pieces).toEqual([quantize(unpack(piece), piece.rows, piece.cols, 'q8_0')]);
    }
  });

  test('beside a kv_a_proj of f16 the product is f16 too, so that both are one matrix', () => {
    const bf16 = layer('bf16');
    const { q_proj, o_proj } = foldProjections(bf16, HEADS, null);
    expect([q_proj.pieces[0]?.format, o_proj.pieces[0]?.format]).toEqual(['f32', 'f16']);
  });

  test('only where they cost less to read than two matrices and a dispatch', () => {
    const shapeOf = (name: keyof typeof SHAPES, width: number): Parameters<typeof queryFolds>[0] => {
      const {
        hidden_size: hidden,
        num_attention_heads: heads,
        num_key_value_heads: groups,
        head_dim,
      } = SHAPES[name];
      return { hidden, heads, groups, head_dim, width };
    };
    const folds = (name: keyof typeof SHAPES, width: number, format: WeightFormat): boolean[] => {
      const shape = shapeOf(name, width);
      return [
        queryFolds(shape, format, factorBytes(shape, 'queries', format)),
        outputFolds(shape, format, factorBytes(shape, 'outputs', format)),
      ];
    };
    // A quarter of the cache: a little wider than a head, and four times as wide.
    expect(folds('smollm2-135m', 96, 'q4_0')).toEqual([true, true]);
    expect(folds('qwen2-0.5b', 80, 'q4_0')).toEqual([true, true]);
    expect(folds('llama-3.2-1b', 256, 'q4_0')).toEqual([false, false]);
    // The same product in f32 is seven times as large.
    expect(folds('smollm2-135m', 96, 'f32')).toEqual([false, false]);
    expect(queryFolds(shapeOf('smollm2-135m', 232), 'q8_0', 260_000)).toBe(false);
    expect(queryFolds(shapeOf('smollm2-135m', 232), 'q8_0', 260_000, 2)).toBe(true);
    // Rows of attention's output end in whole groups.
    expect(outputFolds({ hidden: 64, heads: 3, groups: 1, head_dim: 16, width: 8 }, 'f32', 1e9)).toBe(false);
  });
});

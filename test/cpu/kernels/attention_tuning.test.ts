import { describe, expect, test } from 'vitest';
import { cacheBytes, cacheBytesPerToken } from '../../../src/core/cache_rows.ts';
import { attention_decode, decodeTuning, nearTuning } from '../../../src/kernels/attention_decode.ts';
import type { AttentionDims } from '../../../src/kernels/attention_partial.ts';
import { attentionTuning, workgroupBytes } from '../../../src/kernels/attention_tuning.ts';
import type { RowForm } from '../../../src/kernels/parts.ts';
import { cacheSplitter, MAX_PARTIALS } from '../../../src/model/split_cache.ts';
import { gqa, recon, reuse, strict } from '../../../src/verify/cases/attention_shapes.ts';

const ADAPTERS = [16384, 32768].flatMap((bytes) =>
  [false, true].map((software) => ({ software, workgroupBytes: bytes, subgroupSize: 0 })),
);

/** What these tests do not look at, and decoding. */
const ONE = {
  rope_frequencies: 1,
  softmax_scale: 1,
  q_stride: 0,
  q_offset: 0,
  out_stride: 0,
  max_len: 1 << 17,
  max_tokens: 1,
  max_partials: MAX_PARTIALS,
  append: null,
  keeps_partials: false,
};

type Layout = Parameters<typeof cacheSplitter>[0][number];
const layout = ({ row, ...attend }: AttentionDims & { row: RowForm }): Layout => ({ attend, row });

describe('attention', () => {
  test.each([
    ['gqa 64', gqa(64)],
    ['gqa 128', gqa(128)],
    ['strict 512 + 64', strict(512, 64, 0)],
    ['reuse 128 + 64', reuse(128, 64)],
    ['recon 576 + 64', recon(576, 64)],
    ['recon 4 + 8', recon(4, 8)],
  ] as const)('%s fits every device, with any number of heads and tokens', (_, form) => {
    for (const adapter of ADAPTERS) {
      for (const heads_per_group of [1, 3, 9, 14, 20, 128]) {
        for (const max_tokens of [1, 64, 256]) {
          const shape = { ...form, adapter, heads_per_group, max_tokens };
          const tuning = attentionTuning(shape);
          expect(workgroupBytes(shape, tuning)).toBeLessThanOrEqual(adapter.workgroupBytes);
          expect(tuning.BLOCKS * tuning.LANES * tuning.SLICES).toBeLessThanOrEqual(256);
          expect(tuning.TILE % tuning.LANES).toBe(0);
          expect(tuning.BLOCKS).toBeGreaterThanOrEqual(1);
          expect(Number.isInteger(tuning.LANES) && Number.isInteger(tuning.TILE)).toBe(true);
        }
      }
    }
  });

  test.each([
    ['SmolLM2', gqa(64), 3, 32, { LANES: 8, HEADS: 3, TEAMS: 16 }],
    ['Qwen2-0.5B', gqa(64), 7, 32, { LANES: 8, HEADS: 3, TEAMS: 16 }],
    ['SmolLM2, a quarter', strict(64, 32, 0), 9, 32, { LANES: 8, HEADS: 3, TEAMS: 16 }],
    ['SmolLM2, a quarter, reuse', reuse(96, 32), 9, 32, { LANES: 16, HEADS: 3, TEAMS: 8 }],
    ['SmolLM2, all of it', strict(192, 192, 0), 9, 32, { LANES: 32, HEADS: 3, TEAMS: 4 }],
    ['SmolLM2, half, reuse', reuse(160, 32), 9, 32, { LANES: 16, HEADS: 2, TEAMS: 8 }],
    ['SmolLM2, a quarter, reuse, int4', reuse(264, 32), 9, 32, { LANES: 16, HEADS: 2, TEAMS: 8 }],
    ['Llama-3.2-1B, a quarter, reuse', reuse(224, 32), 32, 32, { LANES: 32, HEADS: 3, TEAMS: 4 }],
    ['Llama-3.2-1B, half, reuse', reuse(480, 32), 32, 32, { LANES: 32, HEADS: 3, TEAMS: 4 }],
    ['Llama-3.2-1B, a quarter, reuse, int4', reuse(744, 32), 32, 32, { LANES: 32, HEADS: 1, TEAMS: 4 }],
    ['rows too wide for SwiftShader', gqa(128), 4, 4, null],
    ['no subgroups', gqa(64), 3, 0, null],
    ['recon', recon(64, 32), 9, 32, null],
  ] as const)('decoding from registers: %s', (_, { row, ...form }, heads_per_group, subgroupSize, want) => {
    const adapter = { software: false, workgroupBytes: 32768, subgroupSize };
    const dims = { ...ONE, ...form, groups: 1, heads_per_group, adapter };
    expect(decodeTuning(dims, row)).toEqual(want);
    expect(decodeTuning({ ...dims, max_tokens: 2 }, row)).toBeNull();
  });

  test('one split and several have a kernel each, of which one runs', () => {
    const adapter = { software: false, workgroupBytes: 32768, subgroupSize: 32 };
    const { row, ...form } = gqa(64);
    const dims = { ...ONE, ...form, groups: 3, heads_per_group: 3, adapter };
    const far = decodeTuning(dims, row);
    const near = far && nearTuning(far, adapter);
    if (!near || row === 'recon') throw new Error('expected both');
    expect(nearTuning(near, adapter)).toBeNull();
    expect(nearTuning(far, { ...adapter, software: true })).toBeNull();
    const parts = { cache: 'f16', row, append: 'none' } as const;
    const grids = (num_splits: number): unknown[] =>
      (['one', 'several', undefined] as const).map((splits, i) => {
        const grid = attention_decode.grid({ ...dims, tuning: i === 0 ? near : far, splits }, parts);
        return typeof grid === 'function'
          ? grid({ position: 0, num_tokens: 1, num_splits, split_len: 32 })
          : grid;
      });
    expect(grids(1)).toEqual([[1, 3, 3], null, [1, 3, 1]]);
    expect(grids(5)).toEqual([null, [5, 3, 1], [5, 3, 1]]);
  });

  test('splits cover the cache, stay within the partial sums, and the layer with the fewest workgroups decides', () => {
    const adapter = { software: false, workgroupBytes: 32768, subgroupSize: 0 };
    const dims = { ...ONE, max_tokens: 256, adapter };
    const many = layout({ ...dims, ...gqa(64), groups: 8, heads_per_group: 4 });
    const one = layout({ ...dims, ...reuse(64, 32), groups: 1, heads_per_group: 9 });
    const split = cacheSplitter([many, one]);
    for (const num_tokens of [1, 2, 63, 256]) {
      for (const position of [0, 100, 255, 256, 1000, 8191, 100_000]) {
        const { num_splits, split_len } = split(position, num_tokens);
        expect(num_splits * split_len).toBeGreaterThanOrEqual(position + num_tokens);
        expect((num_splits - 1) * split_len).toBeLessThan(position + num_tokens);
        if (num_splits > 1) expect(num_splits * num_tokens).toBeLessThanOrEqual(MAX_PARTIALS);
      }
    }
    expect(split(200, 1).num_splits).toBe(1);
    expect(split(8191, 1).num_splits).toBe(cacheSplitter([one])(8191, 1).num_splits);
    expect(split(8191, 1).num_splits).toBeGreaterThan(cacheSplitter([many])(8191, 1).num_splits);
  });

  test('bytes of a row', () => {
    // SmolLM2: 3 heads of [64 | 64], 4 groups of 32 each.
    const smol = { groups: 3, row_dim: 128, split_dim: 64, max_len: 10 };
    expect(cacheBytesPerToken(smol, 'f16')).toBe(768);
    expect(cacheBytesPerToken(smol, 'int8')).toBe(3 * (128 + 16));
    expect(cacheBytesPerToken(smol, 'int4')).toBe(3 * (64 + 16));
    expect(cacheBytes(smol, 'int4')).toBe(10 * 240 + 3 * 128 * 4);
    // Short groups have a step and a minimum too: 36 + 12 values are 2 + 1 groups; int4 fills whole words in each region.
    const short = { groups: 1, row_dim: 48, split_dim: 36 };
    expect(cacheBytesPerToken(short, 'int8')).toBe(48 + 12);
    expect(cacheBytesPerToken(short, 'int4')).toBe(20 + 8 + 12);
  });
});

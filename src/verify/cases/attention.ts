import { CACHE_FORMATS } from '../../core/cache_rows.ts';
import type { CacheFormat } from '../../core/cache_rows.ts';
import { attention_decode as decodeKernel } from '../../kernels/attention_decode.ts';
import type { DecodeRow, DecodeTuning } from '../../kernels/attention_decode.ts';
import { attention_partial as partialKernel } from '../../kernels/attention_partial.ts';
import { DEFAULT_ADAPTER } from '../../kernels/attention_tuning.ts';
import type { AttentionAdapter, AttentionTuning } from '../../kernels/attention_tuning.ts';
import { kernelCase } from '../kernel_case.ts';
import type { KernelCase } from '../kernel_case.ts';
import { attentionInput, shape } from './attention_input.ts';
import type { Shape } from './attention_input.ts';
import { gqa, recon, reuse, strict } from './attention_shapes.ts';
import type { FormShape } from './attention_shapes.ts';

/**
 * Every form in decode (where the token's row is stored on the way) and in prefill, with groups that end short and an odd
 * number of quads; in all cache formats.
 */
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

/** Nothing is in the cache yet, and a quantised one keeps this row exactly. */
const FIRST = shape('GQA, first token', [2, 3], gqa(40, 'rotate'), [1, 0, 1]);

/** Real models' and extreme shapes. */
// prettier-ignore
const SHAPES: readonly Shape[] = [
  shape('one head, first token', [1, 1], gqa(8), [1, 0, 1]),
  shape('SmolLM2, all of it', [1, 9], strict(192, 192, 192), [1, 65, 1]),
  shape('SmolLM2, half', [1, 9], reuse(128, 64), [1, 65, 1]),
  shape('20 heads', [1, 20], strict(32, 16, 0), [1, 40, 1]),
  shape('prefill from nothing', [2, 3], gqa(16), [37, 0, 1]),
];

/** What needs the memory of WebGPU's smallest device, or uses it; the token's row lies in the cache. */
// prettier-ignore
const WIDE: readonly Shape[] = [
  shape('SmolLM2', [3, 3], gqa(64), [1, 199, 3]),
  shape('DeepSeek', [1, 16], strict(512, 64, 0), [1, 20, 1]),
  shape('widest', [1, 16], recon(576, 64), [1, 20, 1]),
];

/** Few threads; little workgroup memory, which SwiftShader compiles quickly, and small tiles. */
export const SOFTWARE: AttentionAdapter = { software: true, workgroupBytes: 4096, subgroupSize: 0 };
/** Room for full tiles. */
const LARGE_GPU: AttentionAdapter = { software: false, workgroupBytes: 32768, subgroupSize: 0 };
/** A GPU's threads, in less memory than any has. */
const SMALL_GPU: AttentionAdapter = { software: false, workgroupBytes: 8192, subgroupSize: 0 };

export function attentionCases(): KernelCase[] {
  const all = (
    shapes: readonly Shape[],
    format: CacheFormat,
    adapter: AttentionAdapter,
    appends = true,
  ): KernelCase[] =>
    shapes.map((one, index) => attentionCase(one, format, index, adapter, appends && one.tokens === 1));
  return [
    ...CACHE_FORMATS.flatMap((format) => all(FORMS, format, SOFTWARE)),
    ...all([FIRST], 'int4', SOFTWARE),
    ...all(
      FORMS.filter(({ tokens }) => tokens === 1),
      'int8',
      SMALL_GPU,
    ),
    ...all(SHAPES, 'f16', SMALL_GPU),
    ...all(WIDE, 'f16', DEFAULT_ADAPTER, false),
  ];
}

function attentionCase(
  one: Shape,
  format: CacheFormat,
  index: number,
  adapter: AttentionAdapter,
  appends: boolean,
): KernelCase {
  return kernelCase(partialKernel, {
    name: `${one.name} (${one.tokens} at ${one.position})${adapter.software ? ' few threads,' : ''}`,
    parts: { cache: format, row: one.form.row, append: appends ? 'row' : 'none' },
    ...attentionInput(one, format, index, adapter, appends),
  });
}

/** What attention_decode does on its own: shares of rows that do not come out even, heads of several workgroups, teams without a row. */
// prettier-ignore
const DECODE: readonly { readonly one: Shape; readonly tuning: DecodeTuning; readonly formats: readonly CacheFormat[]; readonly append: 'row' | 'none' }[] = [
  decode(shape('GQA', [3, 3], gqa(24), [1, 70, 3]), [4, 3, 2], CACHE_FORMATS),
  decode(shape('GQA, keys rotated late', [2, 3], gqa(40, 'rotate'), [1, 33, 1]), [4, 2, 2], CACHE_FORMATS),
  decode(shape('GQA, turned in a lane', [2, 2], gqa(32, 'rotate'), [1, 45, 2]), [4, 2, 4], ['f16', 'int4']),
  decode(shape('reuse, turned in an item', [1, 4], reuse(32, 16), [1, 61, 2]), [4, 2, 2], CACHE_FORMATS),
  decode(shape('strict', [1, 9], strict(36, 24, 0), [1, 130, 2]), [4, 3, 2], CACHE_FORMATS),
  decode(shape('strict, part of it scored', [1, 5], strict(44, 8, 12), [1, 100, 4]), [4, 5, 4], ['f16'], 'none'),
  decode(shape('reuse', [1, 9], reuse(36, 24), [1, 130, 2]), [4, 5, 2], CACHE_FORMATS),
  decode(shape('first token', [1, 1], gqa(8), [1, 0, 1]), [4, 1, 2], ['f32', 'int4']),
  decode(shape('SmolLM2', [3, 3], gqa(64), [1, 199, 3]), [8, 3, 16], ['f16']),
  decode(shape('SmolLM2, a quarter', [1, 9], reuse(64, 32), [1, 199, 1]), [8, 3, 4], ['f16', 'int4']),
  decode(shape('SmolLM2, keys rotated late', [3, 3], gqa(64, 'rotate'), [1, 199, 3]), [8, 3, 8], ['int8', 'int4']),
  decode(shape('odd pairs', [1, 9], reuse(60, 40), [1, 199, 2]), [32, 3, 4], ['f16', 'int8']),
  decode(shape('SmolLM2, all of it', [1, 9], strict(192, 192, 192), [1, 65, 1]), [32, 5, 2], ['f16'], 'none'),
];

function decode(
  one: Shape,
  [LANES, HEADS, TEAMS]: readonly [number, number, number],
  formats: readonly CacheFormat[],
  append: 'row' | 'none' = 'row',
): (typeof DECODE)[number] {
  return { one, tuning: { LANES, HEADS, TEAMS }, formats, append };
}

export function decodeCases(): KernelCase[] {
  return DECODE.flatMap(({ one, tuning, formats, append }, index) =>
    formats.map((format) => {
      const { dims, ...input } = attentionInput(one, format, 100 + index, DEFAULT_ADAPTER, append === 'row');
      const { LANES, HEADS, TEAMS } = tuning;
      return kernelCase(decodeKernel, {
        name: `${one.name} (at ${one.position}) ${LANES} lanes, ${HEADS} heads, ${TEAMS} teams,`,
        subgroupSize: LANES,
        dims: { ...dims, tuning },
        parts: { cache: format, row: decodeRow(one.form), append },
        ...input,
      });
    }),
  );
}

function decodeRow({ row }: FormShape): DecodeRow {
  if (row === 'recon') throw new RangeError('attention_decode does not read recon');
  return row;
}

/** Blocks that end short, tiles that do, splits, widths that leave lanes and slices without a quad, and every form. */
// prettier-ignore
const TILED: readonly (readonly [Shape, tiling: readonly [number, number, number, number], readonly CacheFormat[]])[] = [
  [shape('SmolLM2', [1, 3], gqa(64), [37, 20, 1]), [8, 16, 1, 32], ['f16']],
  [shape('GQA', [2, 3], gqa(40), [33, 7, 2]), [16, 16, 1, 16], ['f32', 'int8']],
  [shape('GQA, keys rotated late', [2, 7], gqa(24, 'rotate'), [13, 0, 1]), [8, 16, 1, 32], ['int4']],
  [shape('strict, part of it scored', [1, 5], strict(44, 8, 12), [7, 100, 4]), [8, 16, 1, 32], ['f16']],
  [shape('reuse', [1, 9], reuse(64, 32), [15, 33, 1]), [8, 16, 1, 16], ['int8']],
  [shape('recon', [1, 5], recon(68, 40), [7, 33, 1]), [8, 16, 1, 16], ['f16']],
  [shape('GQA', [3, 3], gqa(24), [1, 70, 3]), [1, 16, 8, 32], ['f16', 'int4']],
  [shape('GQA, keys rotated late', [1, 7], gqa(40, 'rotate'), [1, 40, 2]), [2, 4, 3, 8], ['f32']],
  [shape('strict', [1, 9], strict(36, 24, 0), [1, 130, 2]), [3, 16, 5, 16], ['f16', 'int8']],
  [shape('reuse', [1, 9], reuse(60, 40), [1, 61, 3]), [2, 16, 4, 32], ['f16', 'int4']],
  [shape('recon', [1, 9], recon(68, 40), [1, 99, 2]), [3, 16, 5, 16], ['f16', 'int8']],
];

export function tiledCases(): KernelCase[] {
  return TILED.flatMap(([one, [BLOCKS, LANES, SLICES, TILE], formats], index) =>
    formats.map((format) => {
      const appends = one.tokens === 1;
      const { dims, ...input } = attentionInput(one, format, 200 + index, LARGE_GPU, appends);
      return kernelCase(partialKernel, {
        name: `${one.name} (${one.tokens} at ${one.position}) ${BLOCKS} blocks, ${LANES} lanes, ${SLICES} slices, tiles of ${TILE},`,
        dims: { ...dims, tiling: { BLOCKS, LANES, SLICES, TILE } satisfies AttentionTuning },
        parts: { cache: format, row: one.form.row, append: appends ? 'row' : 'none' },
        ...input,
      });
    }),
  );
}

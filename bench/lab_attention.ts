import { SHAPES } from '../src/core/shapes.ts';
import { cacheBytes } from '../src/core/cache_rows.ts';
import { Buffers } from '../src/gpu/buffers.ts';
import { Pipelines } from '../src/gpu/pipelines.ts';
import type { Dispatch } from '../src/gpu/pipelines.ts';
import { attention_partial } from '../src/kernels/attention_partial.ts';
import type { AttentionDims } from '../src/kernels/attention_partial.ts';
import { adapterOf, workgroupBytes } from '../src/kernels/attention_tuning.ts';
import type { AttentionTuning } from '../src/kernels/attention_tuning.ts';
import { attentionLayout } from '../src/model/attention.ts';
import { noise, resultOf, stepOf, timed, uploadStep } from './lab.ts';
import type { Lab } from './lab.ts';

/** What else than attentionTuning's first choice is worth a look. */
const TILINGS: readonly AttentionTuning[] = [
  { BLOCKS: 8, LANES: 16, SLICES: 1, TILE: 32 },
  { BLOCKS: 8, LANES: 16, SLICES: 1, TILE: 16 },
  { BLOCKS: 8, LANES: 16, SLICES: 2, TILE: 32 },
];

/** us a layer and TFLOP/s of causal attention (half of the square), GQA, f16 cache; variants against the plan's. */
export async function runAttention(lab: Lab): Promise<void> {
  for (const tokens of lab.tokens) {
    lab.print(`\nattention, GQA, f16 cache, ${tokens} tokens: us a layer (TFLOP/s); ! where it differs`);
    for (const [name, config] of Object.entries(SHAPES)) {
      if (!name.startsWith(lab.shapes)) continue;
      const { attend } = attentionLayout(config, GQA, {
        max_len: tokens,
        max_tokens: tokens,
        format: 'f16',
        adapter: adapterOf(lab.gpu),
      });
      const flops = 2 * config.num_attention_heads * tokens * tokens * config.head_dim;
      await runShape(lab, name, attend, tokens, flops);
    }
  }
}

const NOTHING = { in_dim: 0, out_dim: 0, pieces: [], bias: null };
const GQA = { form: 'gqa', qkv_proj: NOTHING } as const;

async function runShape(
  lab: Lab,
  name: string,
  dims: AttentionDims,
  tokens: number,
  flops: number,
): Promise<void> {
  const { device } = lab.gpu;
  const buffers = new Buffers(device);
  const step = stepOf(tokens);
  const rows = new Uint32Array(cacheBytes(dims, 'f16') / 4);
  // Pairs of f16 between -2 and 2.
  noise(rows.length, 5).forEach((value, i) => (rows[i] = (value * 2 ** 31) & 0xbfffbfff));
  const bindings = {
    q: buffers.upload('q', noise(tokens * dims.q_stride, 6)),
    cache: buffers.upload('cache', rows),
    rope_table: buffers.upload('rope_table', noise(tokens * dims.rope_frequencies * 2, 8)),
    rope_pairs: buffers.storage('rope_pairs', dims.rope_dim * 2),
    rope_map: buffers.storage('rope_map', 16),
    out: buffers.storage('out', tokens * dims.out_stride * 4),
    partials: buffers.storage('partials', 2 ** 22),
    kv: buffers.storage('kv', 16),
    step: uploadStep(lab, buffers, step),
  };
  const parts = { cache: 'f16', row: 'plain', append: 'none' } as const;
  const before = new Pipelines(device);
  const base = { ...dims, max_partials: 16 };
  const old = before.dispatch(attention_partial, base, parts, bindings);
  await before.compileAll();
  const report = async (
    variant: string,
    dispatch: Dispatch,
    wanted: Float32Array | null,
  ): Promise<Float32Array> => {
    const ms = await timed(lab, [dispatch], step);
    const from = Math.max(0, tokens - 40) * dims.out_stride * 4;
    const got = await resultOf(lab, buffers, [dispatch], step, bindings.out, from);
    const wrong = wanted?.some((value, i) => !(Math.abs(value - (got[i] ?? NaN)) < 1e-3)) ?? false;
    lab.print(
      `${name.padEnd(14)} ${variant.padEnd(36)} ${(ms * 1000).toFixed(1)} (${(flops / ms / 1e9).toFixed(1)})${wrong ? '!' : ''}`,
    );
    return got;
  };
  const want = await report('as planned', old, null);
  const compiled = TILINGS.filter(
    (tiling) => workgroupBytes(dims, tiling) <= dims.adapter.workgroupBytes,
  ).map(async (tiling) => {
    const pipelines = new Pipelines(device);
    const dispatch = pipelines.dispatch(attention_partial, { ...base, tiling }, parts, bindings);
    await pipelines.compileAll();
    return { tiling, dispatch };
  });
  for (const { tiling, dispatch } of await Promise.all(compiled)) {
    const { BLOCKS, SLICES, TILE } = tiling;
    await report(`${BLOCKS * 4} pairs, ${SLICES} slices, tile ${TILE}`, dispatch, want);
  }
  buffers.destroy();
}

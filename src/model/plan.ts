import { cacheBytes, cacheBytesPerToken } from '../core/cache_rows.ts';
import type { CacheFormat } from '../core/cache_rows.ts';
import type { ModelConfig } from '../core/config.ts';
import { GROUP, groupsOf } from '../core/packed.ts';
import { cosSinTable, ropeAttentionFactor, ropeFrequencies } from '../core/rope.ts';
import type { Buffers } from '../gpu/buffers.ts';
import type { Dispatch, Pipelines } from '../gpu/pipelines.ts';
import { STEP_BYTES } from '../gpu/step.ts';
import type { Step } from '../gpu/step.ts';
import { argmax_final } from '../kernels/argmax_final.ts';
import type { AttentionAdapter } from '../kernels/attention_tuning.ts';
import { partialsBytes } from '../kernels/attention_partial.ts';
import { count_tokens } from '../kernels/count_tokens.ts';
import { stride } from '../kernels/parts.ts';
import { sample, SAMPLING_BYTES } from '../kernels/sample.ts';
import { attentionLayout } from './attention.ts';
import type { AttentionLayout } from './attention.ts';
import { vectorGroups } from './linear_builder.ts';
import type { QuantisedActivations } from './linear_builder.ts';
import { PlanBuilder } from './plan_builder.ts';
import type { PlanState } from './plan_state.ts';
import { cacheSplitter } from './split_cache.ts';
import type { Tuning } from './tuning.ts';
import type { DeviceEnds, DeviceLayer } from './weights.ts';

/**
 * Everything that is ever dispatched, recorded once. A step is: write Step (and, in prefill, token ids), then
 *   prefill: embed, layers        for up to `chunk` tokens        decode: the same for one
 *   greedy | sample: logits of the last token, then tokens[position + num_tokens] = the next id
 * The next step's embedding reads that id on the GPU, so steps can follow one another without the host knowing it.
 */
export interface Plan {
  readonly chunk: number;
  readonly prefill: readonly Dispatch[];
  /** The same for up to NARROW_TOKENS; null where `prefill` is as good for them. */
  readonly shortPrefill: readonly Dispatch[] | null;
  readonly decode: readonly Dispatch[];
  readonly greedy: readonly Dispatch[];
  readonly sample: readonly Dispatch[];
  /** Marks the prompt's ids for the penalties. */
  readonly count: readonly Dispatch[];
  /** Logits of all tokens of a prefill step, into state.promptLogits; null unless asked for. */
  readonly promptLogits: readonly Dispatch[] | null;
  readonly state: PlanState;
  /** Cached per token over all layers; steps and minima of a quantised cache are counted. */
  readonly kvBytesPerToken: number;
  /** Of all positions, and of a quantised cache's exact first row. */
  readonly cacheBytes: number;
  readonly cacheFormat: CacheFormat;
  /** Of a token of greedy decoding behind so many others. */
  dispatchesAt(context: number): number;
  step(position: number, num_tokens: number): Step;
}

/** int8: activations are rounded to 8 bits before they meet 4- or 8-bit weights, as onnxruntime's accuracy level 4 does. */
export type PrefillMath = 'exact' | 'int8';

export interface PlanOptions {
  readonly max_len: number;
  readonly cacheFormat: CacheFormat;
  /** Tokens of a prefill step at most. */
  readonly chunk: number;
  readonly promptLogits: boolean;
  /** Positions behind the context that steps in flight may touch before the host stops them. */
  readonly spare: number;
  readonly adapter: AttentionAdapter;
  readonly tuning: Tuning;
  /** Default 'exact'. */
  readonly prefillMath?: PrefillMath;
}

export function buildPlan(
  config: ModelConfig,
  layers: readonly DeviceLayer[],
  ends: DeviceEnds,
  pipelines: Pipelines,
  buffers: Buffers,
  options: PlanOptions,
): Plan {
  const { hidden_size, intermediate_size, vocab_size } = config;
  const { cacheFormat, chunk, spare, adapter } = options;
  // Steps in flight beyond the end of the context write rows too: they land in the spare rows.
  const max_len = options.max_len + spare;
  const context = max_len + 1;
  const layouts = layers.map(({ attention }) =>
    attentionLayout(config, attention, {
      max_len,
      max_tokens: chunk,
      format: cacheFormat,
      adapter,
    }),
  );
  const widest = (of: (layout: AttentionLayout) => number): number =>
    layouts.reduce((most, l) => Math.max(most, of(l)), 4);
  const rows = (label: string, width: number): GPUBuffer => buffers.storage(label, chunk * width * 4);

  const slices = vectorGroups(ends.lm_head, adapter);
  const state: PlanState = {
    step: buffers.uniform('step', STEP_BYTES),
    sampling: buffers.uniform('sampling', SAMPLING_BYTES),
    tokens: buffers.storage('tokens', context * 4),
    counts: buffers.storage('counts', vocab_size * 4),
    logits: buffers.storage('logits', stride(vocab_size) * 4),
    best: buffers.storage('best', slices * 8),
    promptLogits: options.promptLogits ? rows('prompt_logits', stride(vocab_size)) : null,
    promptLogitsStride: stride(vocab_size),
  };
  const activations = {
    hidden: rows('hidden', stride(hidden_size)),
    normed: rows('normed', stride(hidden_size)),
    qkv: rows(
      'qkv',
      widest((l) => l.store.kv_stride),
    ),
    q_latent: rows(
      'q_latent',
      widest((l) => l.attend.q_stride),
    ),
    attended: rows(
      'attended',
      widest((l) => l.attend.out_stride),
    ),
    heads: rows(
      'heads',
      layers.reduce(
        (most, { attention, o_proj }) =>
          attention.form === 'mla' && attention.unembed_out ? Math.max(most, stride(o_proj.in_dim)) : most,
        4,
      ),
    ),
    gated: rows('gated', stride(intermediate_size)),
    partials: buffers.storage(
      'partials',
      layouts.reduce((most, l) => Math.max(most, partialsBytes(l.attend)), 16),
    ),
    quantised: options.prefillMath === 'int8' ? quantisedActivations(layers, buffers, chunk) : null,
  };
  const table = cosSinTable(ropeFrequencies(config), max_len, ropeAttentionFactor(config.rope_scaling));
  const rope_table = buffers.upload('rope_table', table);

  const builderOf = (narrow: boolean): PlanBuilder =>
    new PlanBuilder(
      config,
      pipelines,
      activations,
      rope_table,
      state,
      cacheFormat,
      context,
      adapter,
      options.tuning,
      narrow,
    );
  const builder = builderOf(false);
  const short = options.tuning.narrow && !adapter.software ? builderOf(true) : null;
  let allBytes = 0;
  let kvBytesPerToken = 0;
  const blocks = layers.map((layer, i) => {
    const layout = layouts[i];
    if (!layout) throw new RangeError(`layer ${i} has no layout`);
    const bytes = cacheBytes(layout.store, cacheFormat);
    allBytes += bytes;
    kvBytesPerToken += cacheBytesPerToken(layout.store, cacheFormat);
    const cache = buffers.storage(`layers.${i}.cache`, bytes);
    const rope_pairs = buffers.upload(`layers.${i}.rope_pairs`, layout.rope_pairs);
    return {
      decode: builder.layer(i, layer, layout, cache, rope_pairs, 1),
      prefill: builder.layer(i, layer, layout, cache, rope_pairs, chunk),
      short: short?.layer(i, layer, layout, cache, rope_pairs, chunk) ?? [],
    };
  });

  const scores = buffers.storage('scores', vocab_size * 4);
  const { logits, best, tokens, counts, step, sampling } = state;
  const dims = { vocab_size, context };
  const split = cacheSplitter(layouts);
  const embed = builder.embed(ends, chunk);
  const decode = [...builder.embed(ends, 1), ...blocks.flatMap((b) => b.decode)];
  const greedy = [
    ...builder.head(ends, 'best'),
    pipelines.dispatch(argmax_final, { slices, context }, {}, { best, tokens, step }),
  ];
  const planStep = (position: number, num_tokens: number): Step => ({
    position,
    num_tokens,
    ...split(position, num_tokens),
  });
  return {
    chunk,
    decode,
    prefill: [...embed, ...blocks.flatMap((b) => b.prefill)],
    shortPrefill: short && [...embed, ...blocks.flatMap((b) => b.short)],
    promptLogits: state.promptLogits ? builder.promptHead(ends, state.promptLogits, chunk) : null,
    greedy,
    sample: [
      ...builder.head(ends, 'store'),
      pipelines.dispatch(sample, dims, {}, { logits, counts, scores, tokens, sampling, step }),
    ],
    count: [pipelines.dispatch(count_tokens, dims, {}, { tokens, counts, step })],
    state,
    kvBytesPerToken,
    cacheBytes: allBytes,
    cacheFormat,
    dispatchesAt: (behind) => countDispatches([...decode, ...greedy], planStep(behind, 1)),
    step: planStep,
  };
}

/** Room for the input of the widest matrix. */
function quantisedActivations(
  layers: readonly DeviceLayer[],
  buffers: Buffers,
  tokens: number,
): QuantisedActivations {
  const widths = layers.flatMap((layer) =>
    [layer.attention.qkv_proj, layer.o_proj, layer.gate_up_proj, layer.down_proj].map(({ in_dim }) => in_dim),
  );
  const groups = tokens * groupsOf(widths.reduce((most, width) => Math.max(most, width), 1));
  return {
    quants: buffers.storage('quants', groups * GROUP),
    steps: buffers.storage('quant_steps', groups * 8),
  };
}

function countDispatches(dispatches: readonly Dispatch[], step: Step): number {
  return dispatches.filter(({ grid }) => typeof grid !== 'function' || grid(step) !== null).length;
}

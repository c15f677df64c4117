import type { CacheFormat } from '../core/cache_rows.ts';
import type { ModelConfig } from '../core/config.ts';
import type { Dispatch, Pipelines } from '../gpu/pipelines.ts';
import type { AttentionAdapter } from '../kernels/attention_tuning.ts';
import { attention_combine } from '../kernels/attention_combine.ts';
import { attention_unembed } from '../kernels/attention_unembed.ts';
import { embed_tokens } from '../kernels/embed_tokens.ts';
import { stride } from '../kernels/parts.ts';
import { store_rows } from '../kernels/store_rows.ts';
import { attendDispatches } from './attend.ts';
import type { AttentionLayout } from './attention.ts';
import { LinearBuilder } from './linear_builder.ts';
import type { QuantisedActivations } from './linear_builder.ts';
import type { PlanState } from './plan_state.ts';
import { TUNING } from './tuning.ts';
import type { Tuning } from './tuning.ts';
import type { DeviceEnds, DeviceLayer, DevicePiece } from './weights.ts';

/** Rows of activations, [tokens of a step, ...]; each its own buffer, so that independent dispatches do not wait. */
export interface Activations {
  /** The residual stream. */
  readonly hidden: GPUBuffer;
  readonly normed: GPUBuffer;
  /** q, k, v or q, c_kv, k_pe: what the projections give. */
  readonly qkv: GPUBuffer;
  /** MLA: queries in the space of the cache row. */
  readonly q_latent: GPUBuffer;
  /** Attention's output: per head v_dim values; in MLA still latent. */
  readonly attended: GPUBuffer;
  /** MLA: out of the latent, [heads, head_dim]. */
  readonly heads: GPUBuffer;
  readonly gated: GPUBuffer;
  readonly partials: GPUBuffer;
  /** null: prefill is exact. */
  readonly quantised: QuantisedActivations | null;
}

/**
 * Records the dispatches of embedding, layers and head. `tokens` 1 records decode: norms ride on matvec. More records
 * prefill: matmul, with norms apart.
 */
export class PlanBuilder {
  readonly #config: ModelConfig;
  readonly #pipelines: Pipelines;
  readonly #activations: Activations;
  readonly #ropeTable: GPUBuffer;
  readonly #state: PlanState;
  readonly #cacheFormat: CacheFormat;
  /** Tokens that state.tokens has room for. */
  readonly #context: number;
  readonly #linears: LinearBuilder;
  readonly #tuning: Tuning;
  /** Bound where a kernel variant does not read a binding. */
  readonly #unused: GPUBuffer;

  constructor(
    config: ModelConfig,
    pipelines: Pipelines,
    activations: Activations,
    ropeTable: GPUBuffer,
    state: PlanState,
    cacheFormat: CacheFormat,
    context: number,
    adapter: AttentionAdapter,
    tuning: Tuning = TUNING,
    narrow = false,
  ) {
    this.#tuning = tuning;
    this.#config = config;
    this.#pipelines = pipelines;
    this.#activations = activations;
    this.#ropeTable = ropeTable;
    this.#state = state;
    this.#cacheFormat = cacheFormat;
    this.#context = context;
    this.#unused = ropeTable;
    this.#linears = new LinearBuilder(
      pipelines,
      config.rms_norm_eps,
      state,
      adapter,
      activations.normed,
      this.#unused,
      narrow,
      activations.quantised,
    );
  }

  embed({ embed_tokens: table }: DeviceEnds, tokens: number): Dispatch[] {
    return table.pieces.map(({ format, rowOffset, rows, weight, scales }) =>
      this.#pipelines.dispatch(
        embed_tokens,
        { in_dim: table.in_dim, row_offset: rowOffset, rows, context: this.#context, max_tokens: tokens },
        { weight: format },
        {
          weight,
          scales,
          tokens: this.#state.tokens,
          hidden: this.#activations.hidden,
          step: this.#state.step,
        },
      ),
    );
  }

  layer(...[index, layer, layout, cache, rope_pairs, tokens]: Parameters<PlanBuilder['attend']>): Dispatch[] {
    return [
      ...this.attend(index, layer, layout, cache, rope_pairs, tokens),
      ...this.mix(index, layer, tokens),
    ];
  }

  /** The first half of a layer: from the residual stream to what o_proj reads. */
  attend(
    index: number,
    layer: DeviceLayer,
    layout: AttentionLayout,
    cache: GPUBuffer,
    rope_pairs: GPUBuffer,
    tokens: number,
  ): Dispatch[] {
    return [
      ...this.projectQkv(index, layer, layout, tokens),
      ...this.#attention(`layers.${index}`, layer, layout, cache, rope_pairs, tokens),
    ];
  }

  /** From the residual stream to q, k and v, or q and the latent row. */
  projectQkv(index: number, layer: DeviceLayer, layout: AttentionLayout, tokens: number): Dispatch[] {
    const { hidden, qkv } = this.#activations;
    return this.#linears.linear(`layers.${index}.qkv_proj`, tokens, {
      linear: layer.attention.qkv_proj,
      norm: layer.input_layernorm,
      x: hidden,
      out: qkv,
      out_stride: layout.store.kv_stride,
      output: 'store',
    });
  }

  /** The second half: o_proj into the residual stream, and the MLP. */
  mix(index: number, layer: DeviceLayer, tokens: number): Dispatch[] {
    const { hidden, gated } = this.#activations;
    const { hidden_size, intermediate_size } = this.#config;
    const label = `layers.${index}`;
    const residual = { out: hidden, out_stride: stride(hidden_size), output: 'residual' } as const;
    return [
      ...this.#linears.linear(`${label}.o_proj`, tokens, {
        linear: layer.o_proj,
        norm: null,
        x: this.heads(layer),
        ...residual,
      }),
      ...this.#linears.linear(`${label}.gate_up_proj`, tokens, {
        linear: layer.gate_up_proj,
        norm: layer.post_attention_layernorm,
        x: hidden,
        out: gated,
        out_stride: stride(intermediate_size),
        output: 'swiglu',
      }),
      ...this.#linears.linear(`${label}.down_proj`, tokens, {
        linear: layer.down_proj,
        norm: null,
        x: gated,
        ...residual,
      }),
    ];
  }

  /** Logits of the step's last token; `best`: and the largest of each workgroup's, into state.best. */
  head({ norm, lm_head }: DeviceEnds, output: 'store' | 'best'): Dispatch[] {
    return this.#linears.vector('lm_head', {
      linear: lm_head,
      norm,
      x: this.#activations.hidden,
      out: this.#state.logits,
      out_stride: stride(this.#config.vocab_size),
      output,
    });
  }

  /** Logits of every token of the step. */
  promptHead({ norm, lm_head }: DeviceEnds, out: GPUBuffer, tokens: number): Dispatch[] {
    return this.#linears.linear('prompt_lm_head', tokens, {
      linear: lm_head,
      norm,
      x: this.#activations.hidden,
      out,
      out_stride: stride(this.#config.vocab_size),
      output: 'store',
    });
  }

  /** Where o_proj reads from: [tokens, stride(o_proj.in_dim)] */
  heads(layer: DeviceLayer): GPUBuffer {
    const { attention } = layer;
    const apart = attention.form === 'mla' && attention.unembed_out !== null;
    return apart ? this.#activations.heads : this.#activations.attended;
  }

  #attention(
    label: string,
    { attention }: DeviceLayer,
    layout: AttentionLayout,
    cache: GPUBuffer,
    rope_pairs: GPUBuffer,
    tokens: number,
  ): Dispatch[] {
    const { qkv, q_latent, attended, heads, partials } = this.#activations;
    const { num_attention_heads, head_dim } = this.#config;
    const { step } = this.#state;
    const rope_table = this.#ropeTable;
    const format = this.#cacheFormat;
    // In decode attention takes the new row from the projections and stores it; a dispatch less.
    const append = tokens === 1 && this.#tuning.append ? layout.store : null;
    const isMla = attention.form === 'mla';
    const embed_q = isMla ? attention.embed_q : null;
    const unembed_out = isMla ? attention.unembed_out : null;
    // In decode it rides on joining the splits.
    const joins = tokens === 1 ? unembed_out : null;
    const attend = { ...layout.attend, max_tokens: tokens, append, keeps_partials: joins !== null };
    const q = embed_q ? q_latent : qkv;
    const rope_map = (isMla ? attention.rope_map : null) ?? this.#unused;
    const kv = qkv;
    const matrices = isMla ? attention.groups : 1;
    const per = { num_heads: num_attention_heads, heads_per_group: num_attention_heads / matrices };
    const out_dim = unembed_out ? unembed_out.out_dim / matrices : 0;
    const out_stride = stride(num_attention_heads * out_dim);
    const dispatches: Dispatch[] = [];
    if (embed_q) {
      dispatches.push(
        ...this.#linears.heads(`${label}.embed_q`, embed_q, qkv, q_latent, {
          ...per,
          in_dim: head_dim,
          out_dim: attend.qk_dim,
          x_stride: layout.store.kv_stride,
          x_offset: 0,
          out_stride: attend.q_stride,
          max_tokens: tokens,
        }),
      );
    }
    if (!append) {
      dispatches.push(
        this.#pipelines.dispatch(
          store_rows,
          { ...layout.store, max_tokens: tokens },
          { cache: format },
          { kv, rope_table, rope_pairs, cache, step },
          `${label}.store_rows`,
        ),
      );
    }
    dispatches.push(
      ...attendDispatches(
        this.#pipelines,
        attend,
        { cache: format, row: layout.row, append: append ? 'row' : 'none' },
        { q, cache, rope_table, rope_pairs, rope_map, out: attended, partials, kv, step },
        `${label}.attention`,
      ),
    );
    if (joins) {
      const dims = { ...attend, matrices, out_dim, out_stride };
      const dispatch = ({ format: of, weight, scales }: DevicePiece): Dispatch =>
        this.#pipelines.dispatch(
          attention_unembed,
          dims,
          { weight: of },
          { weight, scales, partials, out: heads, step },
          `${label}.combine`,
        );
      return [...dispatches, ...joins.pieces.map(dispatch)];
    }
    const bindings = { partials, out: attended, step };
    dispatches.push(this.#pipelines.dispatch(attention_combine, attend, {}, bindings, `${label}.combine`));
    if (unembed_out) {
      dispatches.push(
        ...this.#linears.heads(`${label}.unembed_out`, unembed_out, attended, heads, {
          ...per,
          in_dim: attend.v_dim,
          out_dim,
          x_stride: attend.out_stride,
          x_offset: 0,
          out_stride,
          max_tokens: tokens,
        }),
      );
    }
    return dispatches;
  }
}

import type { CacheFormat } from '../core/cache_rows.ts';
import type { ModelConfig } from '../core/config.ts';
import type { Dispatch, Pipelines } from '../gpu/pipelines.ts';
import { embed_tokens } from '../kernels/embed_tokens.ts';
import { head_matmul } from '../kernels/head_matmul.ts';
import { matmul } from '../kernels/matmul.ts';
import { matmul_tiled, tiled } from '../kernels/matmul_tiled.ts';
import { matvec, matvecTuning } from '../kernels/matvec.ts';
import { stride } from '../kernels/parts.ts';
import type { OUTPUT } from '../kernels/parts.ts';
import { rms_norm } from '../kernels/rms_norm.ts';
import { store_rows } from '../kernels/store_rows.ts';
import { attendDispatches } from './attend.ts';
import type { AttentionLayout } from './attention.ts';
import type { PlanState } from './plan_state.ts';
import type { DeviceEnds, DeviceLayer, DeviceLinear } from './weights.ts';

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
}

interface LinearUse {
  readonly linear: DeviceLinear;
  /** RMSNorm before the matrix, its weight; null: none. */
  readonly norm: GPUBuffer | null;
  readonly x: GPUBuffer;
  readonly out: GPUBuffer;
  readonly out_stride: number;
  readonly output: keyof typeof OUTPUT;
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
  readonly #software: boolean;
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
    software: boolean,
  ) {
    this.#config = config;
    this.#software = software;
    this.#pipelines = pipelines;
    this.#activations = activations;
    this.#ropeTable = ropeTable;
    this.#state = state;
    this.#cacheFormat = cacheFormat;
    this.#context = context;
    this.#unused = ropeTable;
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
    const { hidden, qkv } = this.#activations;
    const label = `layers.${index}`;
    return [
      ...this.#linear(`${label}.qkv_proj`, tokens, {
        linear: layer.attention.qkv_proj,
        norm: layer.input_layernorm,
        x: hidden,
        out: qkv,
        out_stride: layout.store.kv_stride,
        output: 'store',
      }),
      ...this.#attention(label, layer, layout, cache, rope_pairs, tokens),
    ];
  }

  /** The second half: o_proj into the residual stream, and the MLP. */
  mix(index: number, layer: DeviceLayer, tokens: number): Dispatch[] {
    const { hidden, gated } = this.#activations;
    const { hidden_size, intermediate_size } = this.#config;
    const label = `layers.${index}`;
    const residual = { out: hidden, out_stride: stride(hidden_size), output: 'residual' } as const;
    return [
      ...this.#linear(`${label}.o_proj`, tokens, {
        linear: layer.o_proj,
        norm: null,
        x: this.heads(layer),
        ...residual,
      }),
      ...this.#linear(`${label}.gate_up_proj`, tokens, {
        linear: layer.gate_up_proj,
        norm: layer.post_attention_layernorm,
        x: hidden,
        out: gated,
        out_stride: stride(intermediate_size),
        output: 'swiglu',
      }),
      ...this.#linear(`${label}.down_proj`, tokens, {
        linear: layer.down_proj,
        norm: null,
        x: gated,
        ...residual,
      }),
    ];
  }

  /** Logits of the step's last token. */
  head({ norm, lm_head }: DeviceEnds): Dispatch[] {
    return this.#linear('lm_head', 1, {
      linear: lm_head,
      norm,
      x: this.#activations.hidden,
      out: this.#state.logits,
      out_stride: stride(this.#config.vocab_size),
      output: 'store',
    });
  }

  /** Logits of every token of the step. */
  promptHead({ norm, lm_head }: DeviceEnds, out: GPUBuffer, tokens: number): Dispatch[] {
    return this.#linear('prompt_lm_head', tokens, {
      linear: lm_head,
      norm,
      x: this.#activations.hidden,
      out,
      out_stride: stride(this.#config.vocab_size),
      output: 'store',
    });
  }

  /** Where o_proj reads from: [tokens, stride(num_attention_heads * head_dim)] */
  heads(layer: DeviceLayer): GPUBuffer {
    return layer.attention.form === 'mla' ? this.#activations.heads : this.#activations.attended;
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
    const { attend } = layout;
    const isMla = attention.form === 'mla';
    const q = isMla ? q_latent : qkv;
    const rope_map = (isMla ? attention.rope_map : null) ?? this.#unused;
    const buffers = { q, cache, rope_table, rope_pairs, rope_map, out: attended, partials, step };
    const core = [
      this.#pipelines.dispatch(
        store_rows,
        { ...layout.store, max_tokens: tokens },
        { store: format },
        { kv: qkv, rope_table, rope_pairs, cache, step },
        `${label}.store_rows`,
      ),
      ...attendDispatches(this.#pipelines, layout, tokens, format, buffers, label),
    ];
    if (!isMla) return core;
    const per = { num_heads: num_attention_heads, heads_per_group: num_attention_heads / attention.groups };
    return [
      ...this.#headMatmul(`${label}.embed_q`, attention.embed_q, qkv, q_latent, {
        ...per,
        in_dim: head_dim,
        out_dim: attend.qk_dim,
        x_stride: layout.store.kv_stride,
        x_offset: 0,
        out_stride: attend.q_stride,
        max_tokens: tokens,
      }),
      ...core,
      ...this.#headMatmul(`${label}.unembed_out`, attention.unembed_out, attended, heads, {
        ...per,
        in_dim: attend.v_dim,
        out_dim: head_dim,
        x_stride: attend.out_stride,
        x_offset: 0,
        out_stride: stride(num_attention_heads * head_dim),
        max_tokens: tokens,
      }),
    ];
  }

  #headMatmul(
    label: string,
    { pieces }: DeviceLinear,
    x: GPUBuffer,
    out: GPUBuffer,
    dims: Parameters<typeof head_matmul.constants>[0],
  ): Dispatch[] {
    return pieces.map(({ format, weight, scales }) =>
      this.#pipelines.dispatch(head_matmul, dims, { weight: format }, { weight, scales, x, out }, label),
    );
  }

  #linear(
    label: string,
    tokens: number,
    { linear, norm, x, out, out_stride, output }: LinearUse,
  ): Dispatch[] {
    const { rms_norm_eps } = this.#config;
    const { step } = this.#state;
    const x_stride = stride(linear.in_dim);
    const bias = linear.bias ?? this.#unused;
    const dims = {
      in_dim: linear.in_dim,
      x_stride,
      out_stride,
      has_bias: linear.bias !== null,
      max_tokens: tokens,
    };
    const pieces = linear.pieces.map((piece) => ({
      ...piece,
      dims: { ...dims, out_dim: piece.rows, row_offset: piece.rowOffset },
    }));
    if (tokens === 1) {
      const input = norm ? 'rms_norm' : 'plain';
      return pieces.map((piece) => {
        const { tuning, parts } = matvecTuning(piece.dims, this.#software);
        return this.#pipelines.dispatch(
          matvec,
          { ...piece.dims, rms_norm_eps, tuning },
          { weight: piece.format, input, output, ...parts },
          {
            weight: piece.weight,
            scales: piece.scales,
            x,
            norm_weight: norm ?? this.#unused,
            bias,
            out,
            step,
          },
          label,
        );
      });
    }
    const { normed } = this.#activations;
    const input = norm ? normed : x;
    const products = pieces.map(({ dims: pieceDims, format, weight, scales }) => {
      const parts = { weight: format, output };
      const bindings = { weight, scales, x: input, bias, out, step };
      return this.#software
        ? this.#pipelines.dispatch(matmul, pieceDims, parts, bindings, label)
        : this.#pipelines.dispatch(matmul_tiled, tiled(pieceDims), parts, bindings, label);
    });
    if (!norm) return products;
    const normDims = { in_dim: linear.in_dim, rms_norm_eps, max_tokens: tokens };
    return [
      this.#pipelines.dispatch(
        rms_norm,
        normDims,
        {},
        { x, norm_weight: norm, out: normed },
        `${label}.norm`,
      ),
      ...products,
    ];
  }
}

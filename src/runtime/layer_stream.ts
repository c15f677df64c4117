import type { ModelConfig } from '../core/config.ts';
import { cacheBytes } from '../core/cache_rows.ts';
import type { CacheFormat } from '../core/cache_rows.ts';
import { throwIfAborted } from '../core/errors.ts';
import { cosSinTable, ropeAttentionFactor, ropeFrequencies } from '../core/rope.ts';
import { Buffers, watchMemory } from '../gpu/buffers.ts';
import type { Gpu } from '../gpu/device.ts';
import { encode, Pipelines } from '../gpu/pipelines.ts';
import type { Dispatch } from '../gpu/pipelines.ts';
import { STEP_BYTES, writeStep } from '../gpu/step.ts';
import { adapterOf } from '../kernels/attention_tuning.ts';
import { partialsBytes } from '../kernels/attention_partial.ts';
import { matmul } from '../kernels/matmul.ts';
import { stride } from '../kernels/parts.ts';
import { attentionLayout } from '../model/attention.ts';
import type { AttentionLayout } from '../model/attention.ts';
import { PlanBuilder } from '../model/plan_builder.ts';
import type { Activations } from '../model/plan_builder.ts';
import type { DeviceEnds, DeviceLayer, DeviceLinear } from '../model/weights.ts';

/**
 * A model layer by layer: rows of tokens stand still in GPU memory (their residual streams), and layers are brought to them
 * one at a time. For calibration, where every layer is looked into and may be changed before the next one runs. Several
 * streams (an original's and a converted one's) are several lists of rows, and may meet in one submit.
 */

/** The residual stream of one sequence: f32 [tokens, stride(hidden_size)]. */
export interface StreamRow {
  readonly tokens: number;
  readonly hidden: GPUBuffer;
}

/** One decoder layer, recorded; it works on whole sequences, each a fresh one. Its buffers hold the last row that it saw. */
export interface StreamLayer {
  readonly layout: AttentionLayout;
  /** Tokens of a row at most: the first dimension of all activations. */
  readonly maxTokens: number;
  /** Where the row's residual stream goes in and comes out. */
  readonly hidden: GPUBuffer;
  /** q, k and v (or q and the latent row) before rope, [maxTokens, layout.store.kv_stride] */
  readonly qkv: GPUBuffer;
  /** [layout.groups, maxTokens, layout.row_dim], f32 unless prepared otherwise */
  readonly cache: GPUBuffer;
  /** Attention's output, still latent in MLA, [maxTokens, layout.attend.out_stride] */
  readonly attended: GPUBuffer;
  /** What o_proj reads: [maxTokens, stride(num_attention_heads * head_dim)] */
  readonly heads: GPUBuffer;
  /** What o_proj gives, [maxTokens, stride(hidden_size)]; filled by `project` */
  readonly projected: GPUBuffer;
  readonly ropePairs: GPUBuffer;
  /** hidden -> qkv: the beginning of attend */
  readonly projectQkv: readonly Dispatch[];
  /** hidden -> qkv, cache, attended, heads */
  readonly attend: readonly Dispatch[];
  /** heads -> projected */
  readonly project: readonly Dispatch[];
  /** heads, hidden -> hidden of the next layer */
  readonly mix: readonly Dispatch[];
  /** Frees the activations; the weights are the caller's. */
  destroy(): void;
}

/** A layer and the row that goes into it, or comes out of it. */
export interface Passage {
  readonly layer: StreamLayer;
  readonly row: StreamRow;
}

/** Bytes from the beginning of one buffer to that of another. */
export type Copy = readonly [from: GPUBuffer, to: GPUBuffer, bytes: number];

/** Some rows: enough work for the GPU while the host prepares a layer. */
const IN_FLIGHT = 8;

export class LayerStream {
  readonly gpu: Gpu;
  readonly config: ModelConfig;
  readonly pipelines: Pipelines;
  readonly ropeTable: GPUBuffer;
  readonly step: GPUBuffer;
  readonly maxTokens: number;
  readonly #buffers: Buffers;
  readonly #stepWords = new Uint32Array(STEP_BYTES / 4);
  /** Bound where nothing is read. */
  readonly #unused: GPUBuffer;
  readonly #tokens: GPUBuffer;
  /** Submits that may still run, oldest first. */
  readonly #inFlight: Promise<undefined>[] = [];

  /**
   * @param longest tokens of the longest row
   * @param pipelines of the same device: those of an earlier stream are compiled already
   */
  constructor(
    gpu: Gpu,
    config: ModelConfig,
    longest: number,
    pipelines: Pipelines = new Pipelines(gpu.device),
  ) {
    this.gpu = gpu;
    this.config = config;
    // One token would be recorded as a decoding step, which keeps nothing apart.
    this.maxTokens = Math.max(2, longest);
    this.pipelines = pipelines;
    this.#buffers = new Buffers(gpu.device);
    const table = cosSinTable(
      ropeFrequencies(config),
      this.maxTokens,
      ropeAttentionFactor(config.rope_scaling),
    );
    this.ropeTable = this.#buffers.upload('rope_table', table);
    this.step = this.#buffers.uniform('step', STEP_BYTES);
    this.#tokens = this.#buffers.storage('tokens', this.maxTokens * 4);
    this.#unused = this.#buffers.storage('unused', 16);
  }

  /** Bytes of one row's residual stream. */
  static rowBytes(config: ModelConfig, tokens: number): number {
    return tokens * stride(config.hidden_size) * 4;
  }

  /** Embeds sequences: the stream before the first layer. */
  async embed(ends: DeviceEnds, sequences: readonly Uint32Array<ArrayBuffer>[]): Promise<StreamRow[]> {
    const scratch = new Buffers(this.gpu.device);
    try {
      const hidden = scratch.storage('hidden', LayerStream.rowBytes(this.config, this.maxTokens));
      const embed = this.#builder(this.#activations(hidden), 'f32').embed(ends, this.maxTokens);
      await this.pipelines.compileAll();
      const rows = await watchMemory(this.gpu.device, 'residual streams', () =>
        sequences.map((ids, i) => ({
          tokens: ids.length,
          hidden: this.#buffers.storage(`rows.${i}`, LayerStream.rowBytes(this.config, ids.length)),
        })),
      );
      rows.forEach((row, i) => {
        const ids = sequences[i];
        if (ids) this.gpu.device.queue.writeBuffer(this.#tokens, 0, ids);
        const bytes = LayerStream.rowBytes(this.config, row.tokens);
        this.#submit(row.tokens, [], embed, [[hidden, row.hidden, bytes]]);
      });
      await this.settle();
      return rows;
    } finally {
      scratch.destroy();
    }
  }

  /** Records a layer whose weights are on the GPU. @param cacheFormat what it reads keys and values back from */
  async prepare(index: number, layer: DeviceLayer, cacheFormat: CacheFormat = 'f32'): Promise<StreamLayer> {
    const { num_attention_heads, head_dim, hidden_size, intermediate_size } = this.config;
    const tokens = this.maxTokens;
    const own = new Buffers(this.gpu.device);
    const rows = (label: string, width: number): GPUBuffer => own.storage(label, tokens * width * 4);
    try {
      const layout = attentionLayout(this.config, layer.attention, {
        max_len: tokens,
        max_tokens: tokens,
        format: cacheFormat,
        adapter: adapterOf(this.gpu),
      });
      const prepared = await watchMemory(this.gpu.device, `activations of layer ${index}`, () => {
        const activations: Activations = {
          hidden: rows('hidden', stride(hidden_size)),
          normed: rows('normed', stride(hidden_size)),
          qkv: rows('qkv', layout.store.kv_stride),
          q_latent: rows('q_latent', layer.attention.form === 'mla' ? layout.attend.q_stride : 4),
          attended: rows('attended', layout.attend.out_stride),
          heads: rows('heads', layer.attention.form === 'mla' ? stride(num_attention_heads * head_dim) : 4),
          gated: rows('gated', stride(intermediate_size)),
          partials: own.storage('partials', partialsBytes(layout.attend)),
          quantised: null,
        };
        const cache = own.storage('cache', cacheBytes(layout.store, cacheFormat));
        const ropePairs = own.upload('rope_pairs', layout.rope_pairs);
        const projected = rows('projected', stride(hidden_size));
        const builder = this.#builder(activations, cacheFormat);
        return {
          ...activations,
          heads: builder.heads(layer),
          cache,
          ropePairs,
          projected,
          projectQkv: builder.projectQkv(index, layer, layout, tokens),
          attend: builder.attend(index, layer, layout, cache, ropePairs, tokens),
          project: this.#project(`layers.${index}.o_proj`, layer.o_proj, builder.heads(layer), projected),
          mix: builder.mix(index, layer, tokens),
        };
      });
      await this.pipelines.compileAll();
      return { ...prepared, layout, maxTokens: tokens, destroy: () => own.destroy() };
    } catch (error) {
      own.destroy();
      throw this.gpu.failure() ?? error;
    }
  }

  /**
   * One row, or the same row of several streams: into the layers, through the dispatches, and (what `out` names) back into
   * the row. Only submits; see pace().
   * @param also copies before and behind all that
   */
  run(
    into: readonly Passage[],
    dispatches: readonly Dispatch[],
    out: readonly Passage[] = [],
    also: { readonly before?: readonly Copy[]; readonly after?: readonly Copy[] } = {},
  ): void {
    const [first] = into;
    if (!first || into.some(({ row }) => row.tokens !== first.row.tokens)) {
      throw new RangeError('rows that run together must be of one length');
    }
    const bytes = LayerStream.rowBytes(this.config, first.row.tokens);
    this.#submit(
      first.row.tokens,
      [...into.map(({ layer, row }): Copy => [row.hidden, layer.hidden, bytes]), ...(also.before ?? [])],
      dispatches,
      [...out.map(({ layer, row }): Copy => [layer.hidden, row.hidden, bytes]), ...(also.after ?? [])],
    );
  }

  /**
   * Takes rows through a whole layer: the stream before the next one.
   * @param heads what `attend` of a layer with the same attention left in `heads` for each row, as far as it was kept
   */
  async advance(
    layer: StreamLayer,
    rows: readonly StreamRow[],
    signal?: AbortSignal,
    heads: readonly GPUBuffer[] = [],
  ): Promise<void> {
    for (const [i, row] of rows.entries()) {
      throwIfAborted(signal);
      const passage = [{ layer, row }];
      const kept = heads[i];
      if (kept) {
        this.run(passage, layer.mix, passage, { before: [[kept, layer.heads, this.headsBytes(row)]] });
      } else this.run(passage, [...layer.attend, ...layer.mix], passage);
      await this.pace();
    }
  }

  /** Of what `attend` leaves in `heads`. */
  headsBytes({ tokens }: Pick<StreamRow, 'tokens'>): number {
    const { num_attention_heads, head_dim } = this.config;
    return tokens * stride(num_attention_heads * head_dim) * 4;
  }

  /** Buffers for the heads of rows, of the first ones only if all are more than `most` bytes. */
  keepHeads(rows: readonly StreamRow[], most: number): GPUBuffer[] {
    let bytes = 0;
    const kept = rows.filter((row) => (bytes += this.headsBytes(row)) <= most);
    return kept.map((row, i) => this.#buffers.storage(`heads.${i}`, this.headsBytes(row)));
  }

  /**
   * To be awaited after each run: few submits are in flight, so that a cancelled calibration stops soon, but more than one,
   * so that the GPU does not wait for the host.
   * @throws WebMlaError as settle
   */
  async pace(): Promise<void> {
    const done = this.gpu.device.queue.onSubmittedWorkDone();
    done.catch(() => {}); // a lost device may reject it; whoever waits for it is told
    this.#inFlight.push(done);
    await this.#wait(IN_FLIGHT);
  }

  /** Waits for what was submitted. @throws WebMlaError `device_lost` and whatever else the GPU reported */
  async settle(): Promise<void> {
    await this.pace();
    await this.#wait(0);
  }

  async #wait(most: number): Promise<void> {
    try {
      while (this.#inFlight.length > most) await this.#inFlight.shift();
    } catch (error) {
      throw this.gpu.failure() ?? error;
    }
    const failure = this.gpu.failure();
    if (failure) throw failure;
  }

  /** Frees rows before the rest. */
  release(rows: readonly StreamRow[]): void {
    for (const { hidden } of rows) this.#buffers.release(hidden);
  }

  destroy(): void {
    this.#buffers.destroy();
  }

  #submit(
    tokens: number,
    before: readonly Copy[],
    dispatches: readonly Dispatch[],
    after: readonly Copy[],
  ): void {
    const { device } = this.gpu;
    const step = { position: 0, num_tokens: tokens, num_splits: 1, split_len: tokens };
    device.queue.writeBuffer(this.step, 0, writeStep(step, this.#stepWords));
    const encoder = device.createCommandEncoder();
    for (const [from, to, bytes] of before) encoder.copyBufferToBuffer(from, 0, to, 0, bytes);
    const pass = encoder.beginComputePass();
    encode(pass, dispatches, step);
    pass.end();
    for (const [from, to, bytes] of after) encoder.copyBufferToBuffer(from, 0, to, 0, bytes);
    device.queue.submit([encoder.finish()]);
  }

  /** y = o_proj x, where the plan itself adds to the residual. */
  #project(label: string, linear: DeviceLinear, x: GPUBuffer, out: GPUBuffer): Dispatch[] {
    const { in_dim, bias } = linear;
    return linear.pieces.map(({ format, weight, scales, rows, rowOffset }) =>
      this.pipelines.dispatch(
        matmul,
        {
          in_dim,
          out_dim: rows,
          x_stride: stride(in_dim),
          out_stride: stride(this.config.hidden_size),
          row_offset: rowOffset,
          has_bias: bias !== null,
          max_tokens: this.maxTokens,
        },
        { weight: format, output: 'store' },
        { weight, scales, x, bias: bias ?? this.#unused, out, step: this.step },
        label,
      ),
    );
  }

  #activations(hidden: GPUBuffer): Activations {
    const unused = this.#unused;
    return {
      hidden,
      normed: unused,
      qkv: unused,
      q_latent: unused,
      attended: unused,
      heads: unused,
      gated: unused,
      partials: unused,
      quantised: null,
    };
  }

  #builder(activations: Activations, cacheFormat: CacheFormat): PlanBuilder {
    const unused = this.#unused;
    const state = {
      step: this.step,
      tokens: this.#tokens,
      sampling: unused,
      counts: unused,
      logits: unused,
      best: unused,
      promptLogits: null,
      promptLogitsStride: 0,
    };
    return new PlanBuilder(
      this.config,
      this.pipelines,
      activations,
      this.ropeTable,
      state,
      cacheFormat,
      this.maxTokens,
      adapterOf(this.gpu),
    );
  }
}

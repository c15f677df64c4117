import type { ModelConfig } from '../core/config.ts';
import { cacheBytes } from '../core/cache_rows.ts';
import { throwIfAborted, WebMlaError } from '../core/errors.ts';
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
  /** f32, [layout.groups, maxTokens, layout.row_dim] */
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

const IN_FLIGHT = 3;

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
      const embed = this.#builder(this.#activations(hidden)).embed(ends, this.maxTokens);
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
        this.#submit(row.tokens, [], embed, [[hidden, row.hidden]]);
      });
      await this.settle();
      return rows;
    } finally {
      scratch.destroy();
    }
  }

  /** Records a layer whose weights are on the GPU. */
  async prepare(index: number, layer: DeviceLayer): Promise<StreamLayer> {
    const { num_attention_heads, head_dim, hidden_size, intermediate_size } = this.config;
    const tokens = this.maxTokens;
    const own = new Buffers(this.gpu.device);
    const rows = (label: string, width: number): GPUBuffer => own.storage(label, tokens * width * 4);
    try {
      const layout = attentionLayout(this.config, layer.attention, {
        max_len: tokens,
        max_tokens: tokens,
        format: 'f32',
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
        const cache = own.storage('cache', cacheBytes(layout.store, 'f32'));
        const ropePairs = own.upload('rope_pairs', layout.rope_pairs);
        const projected = rows('projected', stride(hidden_size));
        const builder = this.#builder(activations);
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
   */
  run(into: readonly Passage[], dispatches: readonly Dispatch[], out: readonly Passage[] = []): void {
    const [first] = into;
    if (!first || into.some(({ row }) => row.tokens !== first.row.tokens)) {
      throw new RangeError('rows that run together must be of one length');
    }
    this.#submit(
      first.row.tokens,
      into.map(({ layer, row }) => [row.hidden, layer.hidden]),
      dispatches,
      out.map(({ layer, row }) => [layer.hidden, row.hidden]),
    );
  }

  /** Takes rows through a whole layer: the stream before the next one. */
  async advance(layer: StreamLayer, rows: readonly StreamRow[], signal?: AbortSignal): Promise<void> {
    for (const row of rows) {
      throwIfAborted(signal);
      const passage = [{ layer, row }];
      this.run(passage, [...layer.attend, ...layer.mix], passage);
      await this.pace();
    }
    await this.settle();
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

  /** Reads buffers of f32 sums and sets them back to zero. @throws WebMlaError `internal` where a sum is not a number */
  async take(what: string, sums: readonly GPUBuffer[]): Promise<Float32Array[]> {
    const { device } = this.gpu;
    const copy = this.#buffers.readback(
      what,
      sums.reduce((bytes, { size }) => bytes + size, 0),
    );
    try {
      const encoder = device.createCommandEncoder();
      let at = 0;
      for (const sum of sums) {
        encoder.copyBufferToBuffer(sum, 0, copy, at, sum.size);
        encoder.clearBuffer(sum);
        at += sum.size;
      }
      device.queue.submit([encoder.finish()]);
      await copy.mapAsync(GPUMapMode.READ);
      const values = new Float32Array(copy.getMappedRange().slice(0));
      if (!values.every((value) => Number.isFinite(value))) {
        const message = `${what}: expected numbers, got NaN or infinity`;
        throw new WebMlaError('internal', message, 'The weights may be damaged.');
      }
      at = 0;
      return sums.map(({ size }) => values.subarray(at, (at += size / 4)));
    } catch (error) {
      throw this.gpu.failure() ?? error;
    } finally {
      this.#buffers.release(copy);
    }
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
    before: readonly (readonly [from: GPUBuffer, to: GPUBuffer])[],
    dispatches: readonly Dispatch[],
    after: readonly (readonly [from: GPUBuffer, to: GPUBuffer])[],
  ): void {
    const { device } = this.gpu;
    const bytes = LayerStream.rowBytes(this.config, tokens);
    const step = { position: 0, num_tokens: tokens, num_splits: 1, split_len: tokens };
    device.queue.writeBuffer(this.step, 0, writeStep(step, this.#stepWords));
    const encoder = device.createCommandEncoder();
    for (const [from, to] of before) encoder.copyBufferToBuffer(from, 0, to, 0, bytes);
    const pass = encoder.beginComputePass();
    encode(pass, dispatches, step);
    pass.end();
    for (const [from, to] of after) encoder.copyBufferToBuffer(from, 0, to, 0, bytes);
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

  #builder(activations: Activations): PlanBuilder {
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
      'f32',
      this.maxTokens,
      this.gpu.info.software,
    );
  }
}

import { rowsOf, transpose } from '../convert/linalg/matrix.ts';
import { symmetricProduct } from '../convert/linalg/multiply.ts';
import { weightOf } from '../convert/linear_weights.ts';
import type { LayerStatistics, Moments } from '../convert/statistics.ts';
import type { ModelConfig } from '../core/config.ts';
import type { Linear } from '../core/layers.ts';
import { ropeFrequencies } from '../core/rope.ts';
import { Buffers } from '../gpu/buffers.ts';
import type { Dispatch } from '../gpu/pipelines.ts';
import { attention_reach, reachBytes } from '../kernels/attention_reach.ts';
import { attention_spread } from '../kernels/attention_spread.ts';
import type { WholeAttentionDims } from '../kernels/attention_spread.ts';
import { quadratic_forms } from '../kernels/quadratic_forms.ts';
import { reach_sums } from '../kernels/reach_sums.ts';
import type { LayerStream, StreamLayer } from './layer_stream.ts';
import { addTo, mirror, MomentSums } from './moment_sums.ts';
import { takeSums } from './take_sums.ts';

/** Sums over tokens, f64, from which a layer's statistics are made. */
export interface LayerTotals {
  tokens: number;
  /** Σ w ỹ ỹᵀ with ỹ = [k ; v ; 1], [2gd + 1, 2gd + 1], upper triangle */
  readonly plain: Float64Array;
  readonly attended: Float64Array;
  /** Σ q qᵀ and Σ a q qᵀ, [heads, head_dim, head_dim] */
  readonly queries: Float64Array;
  readonly spreadQueries: Float64Array;
  /** Σ a, [heads] */
  readonly spread: Float64Array;
  /** Σ p a by distance, [groups, maxTokens] */
  readonly distances: Float64Array;
}

/** What is dispatched behind a GQA layer's `attend` to sum up its statistics. */
export class LayerSums {
  readonly dispatches: readonly Dispatch[];
  readonly #stream: LayerStream;
  readonly #buffers: Buffers;
  readonly #moments: Readonly<
    Record<'plain' | 'attended' | 'queries' | 'spreadQueries' | 'spread', MomentSums>
  >;
  readonly #distances: GPUBuffer;

  /** @param o_proj the layer's, for |W_O,h x|² */
  constructor(stream: LayerStream, layer: StreamLayer, o_proj: Linear) {
    this.#stream = stream;
    const { pipelines, step, config, maxTokens: max_tokens } = stream;
    const { num_attention_heads: heads, num_key_value_heads: groups, head_dim } = config;
    const { attend } = layer.layout;
    const buffers = (this.#buffers = new Buffers(stream.gpu.device));
    const share = heads / groups;
    const perHead = (label: string): GPUBuffer => buffers.storage(label, max_tokens * heads * 4);
    const [value_forms, output_forms] = [perHead('value_forms'), perHead('output_forms')];
    const [lse, spread] = [perHead('lse'), perHead('spread')];
    const forms = buffers.upload('o_proj_forms', outputForms(config, o_proj));
    const whole: WholeAttentionDims = {
      groups,
      heads_per_group: share,
      head_dim,
      row_dim: attend.row_dim,
      rope_frequencies: attend.rope_frequencies,
      softmax_scale: attend.softmax_scale,
      q_stride: attend.q_stride,
      q_offset: attend.q_offset,
      max_len: attend.max_len,
      max_tokens,
    };
    const sizes = reachBytes(whole);
    const parts = {
      received_parts: buffers.storage('received_parts', sizes.received_parts),
      distance_parts: buffers.storage('distance_parts', sizes.distance_parts),
    };
    const received = buffers.storage('received', max_tokens * 4);
    this.#distances = buffers.storage('distances', groups * max_tokens * 4);
    const attention = {
      q: layer.qkv,
      cache: layer.cache,
      rope_table: stream.ropeTable,
      rope_pairs: layer.ropePairs,
      step,
    };
    const form = { num_heads: heads, dim: head_dim, max_tokens };
    const valuesAt = { share, x_stride: attend.q_stride, x_offset: (heads + groups) * head_dim };
    const outputsAt = { share: 1, x_stride: attend.out_stride, x_offset: 0 };
    const before = [
      pipelines.dispatch(
        quadratic_forms,
        { ...form, ...valuesAt },
        {},
        { x: layer.qkv, forms, out: value_forms, step },
      ),
      pipelines.dispatch(
        quadratic_forms,
        { ...form, ...outputsAt },
        {},
        { x: layer.attended, forms, out: output_forms, step },
      ),
      pipelines.dispatch(
        attention_spread,
        whole,
        {},
        { ...attention, value_forms, output_forms, lse, spread },
      ),
      pipelines.dispatch(attention_reach, whole, {}, { ...attention, lse, spread, ...parts }),
      pipelines.dispatch(
        reach_sums,
        { groups, max_tokens },
        {},
        { ...parts, received, histogram: this.#distances, step },
      ),
    ];
    const y = {
      dim: 2 * groups * head_dim,
      stride: attend.q_stride,
      offset: heads * head_dim,
      batch: 0,
      ones: true,
    };
    const q = { dim: head_dim, stride: attend.q_stride, offset: 0, batch: head_dim, ones: false };
    const one = { dim: 0, stride: 0, offset: 0, batch: 0, ones: true };
    const a = { dim: heads, stride: heads, offset: 0, batch: 0, ones: false };
    const tokens = { x: y, y, batches: 1, symmetric: true };
    const queries = { x: q, y: q, batches: heads, symmetric: true };
    const kv = { x: layer.qkv, y: layer.qkv };
    const sums = (label: string, ...rest: Tail<ConstructorParameters<typeof MomentSums>>): MomentSums =>
      new MomentSums(stream, buffers, label, ...rest);
    this.#moments = {
      plain: sums('plain', { ...tokens, weights: null }, kv),
      attended: sums(
        'attended',
        { ...tokens, weights: { stride: 1, batch: 0 } },
        { ...kv, weights: received },
      ),
      queries: sums('queries', { ...queries, weights: null }, kv),
      spreadQueries: sums(
        'spread_queries',
        { ...queries, weights: { stride: heads, batch: 1 } },
        { ...kv, weights: spread },
      ),
      spread: sums(
        'spread_sums',
        { x: one, y: a, batches: 1, symmetric: false, weights: null },
        { x: spread, y: spread },
      ),
    };
    this.dispatches = [...before, ...Object.values(this.#moments).map(({ dispatch }) => dispatch)];
  }

  zeros(): LayerTotals {
    const { plain, attended, queries, spreadQueries, spread } = this.#moments;
    return {
      tokens: 0,
      plain: plain.zeros(),
      attended: attended.zeros(),
      queries: queries.zeros(),
      spreadQueries: spreadQueries.zeros(),
      spread: spread.zeros(),
      distances: new Float64Array(this.#stream.config.num_key_value_heads * this.#stream.maxTokens),
    };
  }

  /**
   * Moves the GPU's sums to `totals`; rows that are submitted after the call count to the next flush.
   * @param tokens that went through since the last one
   */
  async flush(label: string, totals: LayerTotals, tokens: number): Promise<void> {
    const names = ['plain', 'attended', 'queries', 'spreadQueries', 'spread'] as const;
    const read = await takeSums(this.#stream.gpu, label, [
      ...names.map((name) => this.#moments[name].source),
      { sums: this.#distances, fold: null },
    ]);
    [...names, 'distances' as const].forEach((name, i) => {
      const values = read[i];
      if (values) addTo(totals[name], values);
    });
    totals.tokens += tokens;
  }

  destroy(): void {
    this.#buffers.destroy();
  }
}

type Tail<T extends readonly unknown[]> = T extends readonly [unknown, unknown, unknown, ...infer Rest]
  ? Rest
  : never;

/** W_O,hᵀ W_O,h of every head, [heads, head_dim, head_dim] */
function outputForms(config: ModelConfig, o_proj: Linear): Float32Array<ArrayBuffer> {
  const { num_attention_heads: heads, head_dim } = config;
  const columns = transpose(weightOf(o_proj));
  const forms = new Float32Array(heads * head_dim * head_dim);
  for (let h = 0; h < heads; h++) {
    const head = rowsOf(columns, h * head_dim, (h + 1) * head_dim);
    forms.set(symmetricProduct(head, head).data, h * head_dim * head_dim);
  }
  return forms;
}

/** Means of the sums. */
export function statisticsOf(config: ModelConfig, totals: LayerTotals): LayerStatistics {
  const { num_attention_heads: heads, num_key_value_heads: groups, head_dim } = config;
  const { tokens } = totals;
  const share = heads / groups;
  const perGroup = (sums: Float64Array): Float64Array => {
    const size = head_dim * head_dim;
    const means = new Float64Array(groups * size);
    for (let h = 0; h < heads; h++) {
      const head = mirror(sums.slice(h * size, (h + 1) * size), head_dim);
      const at = Math.floor(h / share) * size;
      head.forEach((value, i) => (means[at + i] = (means[at + i] ?? 0) + value / tokens));
    }
    return means;
  };
  return {
    tokens,
    plain: momentsOf(totals.plain),
    attended: momentsOf(totals.attended),
    queries: perGroup(totals.queries),
    spreadQueries: perGroup(totals.spreadQueries),
    spread: totals.spread.map((sum) => sum / tokens),
    rotation: rotationOf(ropeFrequencies(config), totals.distances, groups),
  };
}

/** @param sums Σ w ỹ ỹᵀ, upper triangle; the 1 stands last */
export function momentsOf(sums: Float64Array): Moments {
  const width = Math.sqrt(sums.length);
  const dim = width - 1;
  const weight = sums.at(-1) ?? 0;
  const whole = mirror(sums.slice(), width);
  const second = new Float64Array(dim * dim);
  for (let i = 0; i < dim; i++) {
    second.set(
      whole.subarray(i * width, i * width + dim).map((value) => value / weight),
      i * dim,
    );
  }
  const mean = whole.subarray(dim * width, dim * width + dim).map((value) => value / weight);
  return { weight, mean, second };
}

/** ρ[j, f] = Σ_δ c[j, δ] e^(-i ω_f δ) / Σ_δ c[j, δ]; where nothing scatters, 1. @param distances [groups, longest] */
function rotationOf(inv_freq: Float32Array, distances: Float64Array, groups: number): Float64Array {
  const longest = distances.length / groups;
  const rotation = new Float64Array(groups * inv_freq.length * 2);
  for (let j = 0; j < groups; j++) {
    const weights = distances.subarray(j * longest, (j + 1) * longest);
    const total = weights.reduce((sum, w) => sum + w, 0);
    inv_freq.forEach((omega, f) => {
      let [re, im] = [0, 0];
      weights.forEach((w, distance) => {
        re += w * Math.cos(omega * distance);
        im -= w * Math.sin(omega * distance);
      });
      const at = (j * inv_freq.length + f) * 2;
      rotation[at] = total > 0 ? re / total : 1;
      rotation[at + 1] = total > 0 ? im / total : 0;
    });
  }
  return rotation;
}

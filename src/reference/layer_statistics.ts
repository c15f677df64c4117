import type { ModelConfig } from '../core/config.ts';
import type { GqaAttention } from '../core/layers.ts';
import { at } from './at.ts';
import { linear, rotateRows } from './linear.ts';

/**
 * Second moments of a layer, sequence by sequence: the formulas of LayerStatistics (src/convert/statistics.ts, which has the
 * definitions) as loops. The oracle of the kernels that gather them on the GPU.
 */
export interface GatheredMoments {
  readonly weight: number;
  readonly mean: Float64Array;
  readonly second: Float64Array;
}

/** Field by field LayerStatistics. */
export interface GatheredStatistics {
  readonly tokens: number;
  readonly plain: GatheredMoments;
  readonly attended: GatheredMoments;
  readonly queries: Float64Array;
  readonly spreadQueries: Float64Array;
  readonly spread: Float64Array;
  readonly rotation: Float64Array;
}

type StatisticsConfig = Pick<ModelConfig, 'num_attention_heads' | 'num_key_value_heads' | 'head_dim'>;

/**
 * @param sequences normed inputs of the layer, [tokens, hidden_size] each; positions start at 0 in each
 * @param inv_freq [head_dim / 2], radians a position
 * @param table cos and sin for at least as many positions as the longest sequence has, [positions, head_dim / 2, 2]
 */
export function gatherStatistics(
  config: StatisticsConfig,
  attention: GqaAttention,
  sequences: readonly Float32Array[],
  inv_freq: Float32Array,
  table: Float32Array,
): GatheredStatistics {
  const sums = new Sums(config, outputGrams(config, attention));
  for (const x of sequences) {
    const q = linear(attention.q_proj, x);
    const k = linear(attention.k_proj, x);
    const v = linear(attention.v_proj, x);
    sums.addSequence(q, k, v, inv_freq, table);
  }
  return sums.finish();
}

/** W_O,hᵀ W_O,h of every head: [heads, head_dim, head_dim] */
function outputGrams(
  { num_attention_heads, head_dim }: StatisticsConfig,
  { o_proj }: GqaAttention,
): Float64Array {
  const unit = new Float32Array(num_attention_heads * head_dim);
  const columns = Array.from(unit, (_, i) => {
    unit.fill(0);
    unit[i] = 1;
    return linear({ ...o_proj, bias: null }, unit);
  });
  const gram = new Float64Array(num_attention_heads * head_dim * head_dim);
  for (let h = 0; h < num_attention_heads; h++) {
    for (let i = 0; i < head_dim; i++) {
      for (let j = 0; j < head_dim; j++) {
        const [a, b] = [columns[h * head_dim + i] ?? [], columns[h * head_dim + j] ?? []];
        let sum = 0;
        for (let row = 0; row < a.length; row++) sum += at(a, row) * at(b, row);
        gram[(h * head_dim + i) * head_dim + j] = sum;
      }
    }
  }
  return gram;
}

class Sums {
  readonly #config: StatisticsConfig;
  readonly #grams: Float64Array;
  readonly #plain: { weight: number; mean: Float64Array; second: Float64Array };
  readonly #attended: { weight: number; mean: Float64Array; second: Float64Array };
  readonly #queries: Float64Array;
  readonly #spreadQueries: Float64Array;
  readonly #spread: Float64Array;
  readonly #rotation: Float64Array;
  /** Σ p a of each group, what the rotation is divided by. */
  readonly #turned: Float64Array;
  #tokens = 0;

  constructor(config: StatisticsConfig, grams: Float64Array) {
    const { num_attention_heads: heads, num_key_value_heads: groups, head_dim } = config;
    const full = 2 * groups * head_dim;
    const moments = (): { weight: number; mean: Float64Array; second: Float64Array } => ({
      weight: 0,
      mean: new Float64Array(full),
      second: new Float64Array(full * full),
    });
    this.#config = config;
    this.#grams = grams;
    this.#plain = moments();
    this.#attended = moments();
    this.#queries = new Float64Array(groups * head_dim * head_dim);
    this.#spreadQueries = new Float64Array(groups * head_dim * head_dim);
    this.#spread = new Float64Array(heads);
    this.#rotation = new Float64Array(groups * head_dim);
    this.#turned = new Float64Array(groups);
  }

  /** q [tokens, heads * head_dim], k and v [tokens, groups * head_dim], before rope. */
  addSequence(
    q: Float32Array,
    k: Float32Array,
    v: Float32Array,
    inv_freq: Float32Array,
    table: Float32Array,
  ): void {
    const { num_attention_heads: heads, num_key_value_heads: groups, head_dim } = this.#config;
    const tokens = k.length / (groups * head_dim);
    const received = new Float64Array(tokens);
    for (let h = 0; h < heads; h++) {
      const j = Math.floor((h * groups) / heads);
      const query = slices(q, heads, h, head_dim);
      const value = slices(v, groups, j, head_dim);
      const turnedQuery = turn(query, head_dim, table);
      const turnedKey = turn(slices(k, groups, j, head_dim), head_dim, table);
      // |W_O,h v_n|² of every token
      const sizes = Float64Array.from({ length: tokens }, (_, n) =>
        this.#outputSize(h, part(value, n, head_dim)),
      );
      for (let t = 0; t < tokens; t++) {
        const p = probabilities(part(turnedQuery, t, head_dim), turnedKey, t, head_dim);
        const out = Float64Array.from({ length: head_dim }, (_, i) =>
          p.reduce((sum, weight, n) => sum + weight * at(value, n * head_dim + i), 0),
        );
        const around = p.reduce((sum, weight, n) => sum + weight * at(sizes, n), 0);
        const a = Math.max(0, around - this.#outputSize(h, out));
        this.#spread[h] = at(this.#spread, h) + a;
        p.forEach((weight, n) => {
          received[n] = at(received, n) + weight * weight;
          this.#addRotation(j, weight * a, t - n, inv_freq);
        });
        const qt = part(query, t, head_dim);
        addOuter(this.#queries.subarray(j * head_dim * head_dim), qt, 1);
        addOuter(this.#spreadQueries.subarray(j * head_dim * head_dim), qt, a);
      }
    }
    for (let n = 0; n < tokens; n++) {
      const width = groups * head_dim;
      const y = Float64Array.from([...part(k, n, width), ...part(v, n, width)]);
      addMoments(this.#plain, y, 1);
      addMoments(this.#attended, y, at(received, n));
    }
    this.#tokens += tokens;
  }

  finish(): GatheredStatistics {
    const { head_dim } = this.#config;
    const mean = (sums: Float64Array, total = this.#tokens): Float64Array => sums.map((x) => x / total);
    const finished = (sums: GatheredMoments): GatheredMoments => ({
      weight: sums.weight,
      mean: mean(sums.mean, sums.weight),
      second: mean(sums.second, sums.weight),
    });
    return {
      tokens: this.#tokens,
      plain: finished(this.#plain),
      attended: finished(this.#attended),
      queries: mean(this.#queries),
      spreadQueries: mean(this.#spreadQueries),
      spread: mean(this.#spread),
      rotation: this.#rotation.map((x, i) => x / at(this.#turned, Math.floor(i / head_dim))),
    };
  }

  /** |W_O,h x|² */
  #outputSize(h: number, x: ArrayLike<number>): number {
    const { head_dim } = this.#config;
    let sum = 0;
    for (let i = 0; i < head_dim; i++) {
      for (let j = 0; j < head_dim; j++) {
        sum += at(x, i) * at(this.#grams, (h * head_dim + i) * head_dim + j) * at(x, j);
      }
    }
    return sum;
  }

  /** weight * e^(-i ω distance) of every frequency. */
  #addRotation(j: number, weight: number, distance: number, inv_freq: Float32Array): void {
    this.#turned[j] = at(this.#turned, j) + weight;
    inv_freq.forEach((w, f) => {
      const index = 2 * (j * inv_freq.length + f);
      this.#rotation[index] = at(this.#rotation, index) + weight * Math.cos(w * distance);
      this.#rotation[index + 1] = at(this.#rotation, index + 1) - weight * Math.sin(w * distance);
    });
  }
}

/** softmax over n <= t of q . k_n / head_dim^(1/2) */
function probabilities(q: Float32Array, keys: Float32Array, t: number, head_dim: number): Float64Array {
  const scores = Float64Array.from(
    { length: t + 1 },
    (_, n) => q.reduce((sum, x, i) => sum + x * at(keys, n * head_dim + i), 0) * head_dim ** -0.5,
  );
  const max = Math.max(...scores);
  const weights = scores.map((s) => Math.exp(s - max));
  const total = weights.reduce((a, b) => a + b, 0);
  return weights.map((w) => w / total);
}

function addMoments(
  sums: { weight: number; mean: Float64Array; second: Float64Array },
  y: Float64Array,
  weight: number,
): void {
  sums.weight += weight;
  y.forEach((x, i) => (sums.mean[i] = at(sums.mean, i) + weight * x));
  addOuter(sums.second, y, weight);
}

/** sums += weight x xᵀ */
function addOuter(sums: Float64Array, x: ArrayLike<number>, weight: number): void {
  for (let i = 0; i < x.length; i++) {
    for (let j = 0; j < x.length; j++) {
      const index = i * x.length + j;
      sums[index] = at(sums, index) + weight * at(x, i) * at(x, j);
    }
  }
}

function part(x: Float32Array, row: number, width: number): Float32Array {
  return x.subarray(row * width, (row + 1) * width);
}

/** Head `index` of `count` heads side by side: [tokens, head_dim] */
function slices(x: Float32Array, count: number, index: number, head_dim: number): Float32Array {
  const tokens = x.length / (count * head_dim);
  return Float32Array.from({ length: tokens * head_dim }, (_, i) =>
    at(x, (Math.floor(i / head_dim) * count + index) * head_dim + (i % head_dim)),
  );
}

function turn(x: Float32Array, head_dim: number, table: Float32Array): Float32Array {
  const pairs = Array.from({ length: head_dim / 2 }, (_, f) => f);
  return rotateRows(x, head_dim, pairs, 0, table, pairs.length);
}

import type { ModelConfig } from '../src/core/config.ts';
import type { DecoderEnds, DecoderLayer, GqaAttention, Linear } from '../src/core/layers.ts';
import { unpack } from '../src/core/packed.ts';
import { cosSinTable, ropeAttentionFactor, ropeFrequencies } from '../src/core/rope.ts';
import type { LayerStatistics } from '../src/convert/statistics.ts';
import { embed_tokens } from '../src/reference/embed_tokens.ts';
import { matmul, silu } from '../src/reference/matmul.ts';
import { rms_norm } from '../src/reference/rms_norm.ts';
import { rotate } from '../src/reference/rotate.ts';

/**
 * Statistics as research/lab's `layer_stats` defines them, written down as they stand there: |W_O,h (v - o)|² with the whole
 * matrix, every sum a loop. Also what the layers pass on, for tests that look inside.
 */
export interface DirectLayer {
  /** Residual stream before the layer, one array a row [tokens, hidden_size]. */
  readonly input: readonly Float32Array[];
  /** What o_proj reads, [tokens, heads * head_dim] a row. */
  readonly heads: readonly Float32Array[];
  /** What o_proj gives, [tokens, hidden_size] a row. */
  readonly projected: readonly Float32Array[];
  readonly statistics: LayerStatistics;
}

export function directStatistics(
  config: ModelConfig,
  ends: DecoderEnds,
  layers: readonly DecoderLayer<GqaAttention>[],
  rows: readonly (readonly number[])[],
): DirectLayer[] {
  let streams = rows.map((ids) => embed_tokens(unpack(ends.embed_tokens), config.hidden_size, ids));
  return layers.map((layer) => {
    const done = streams.map((hidden) => runLayer(config, layer, hidden));
    const input = streams;
    streams = done.map(({ out }) => out);
    return {
      input,
      heads: done.map(({ heads }) => heads),
      projected: done.map(({ projected }) => projected),
      statistics: average(
        config,
        done.map(({ sums }) => sums),
      ),
    };
  });
}

function linear({ pieces, bias }: Linear, x: Float32Array): Float32Array {
  const weight = Float32Array.from(pieces.flatMap((piece) => [...unpack(piece)]));
  return matmul(weight, x, pieces[0]!.cols, bias);
}

type Sums = ReturnType<typeof emptySums>;

function emptySums(config: ModelConfig) {
  const { num_attention_heads: H, num_key_value_heads: g, head_dim: d } = config;
  const zeros = (n: number): Float64Array => new Float64Array(n);
  const moments = () => ({ weight: zeros(1), mean: zeros(2 * g * d), second: zeros((2 * g * d) ** 2) });
  return {
    tokens: zeros(1),
    plain: moments(),
    attended: moments(),
    queries: zeros(g * d * d),
    spreadQueries: zeros(g * d * d),
    spread: zeros(H),
    rotation: zeros(g * d),
    rotationWeight: zeros(g),
  };
}

function runLayer(
  config: ModelConfig,
  layer: DecoderLayer<GqaAttention>,
  hidden: Float32Array,
): { out: Float32Array; heads: Float32Array; projected: Float32Array; sums: Sums } {
  const {
    num_attention_heads: H,
    num_key_value_heads: G,
    head_dim: d,
    hidden_size: D,
    rms_norm_eps,
  } = config;
  const { self_attn: attn, mlp } = layer;
  const T = hidden.length / D;
  const x = rms_norm(hidden, layer.input_layernorm, rms_norm_eps);
  const [q, k, v] = [linear(attn.q_proj, x), linear(attn.k_proj, x), linear(attn.v_proj, x)];
  const inv_freq = ropeFrequencies(config);
  const table = cosSinTable(inv_freq, T, ropeAttentionFactor(config.rope_scaling));
  const pairs = Array.from({ length: d / 2 }, (_, f) => f);
  const turn = (row: Float32Array, t: number): Float32Array =>
    rotate(row.slice(), t, { offset: 0, dim: d, pairs, table, frequencies: d / 2 });
  const W = Float32Array.from(attn.o_proj.pieces.flatMap((piece) => [...unpack(piece)]));
  const s = emptySums(config);
  const received = new Float64Array(T);
  const heads = new Float32Array(T * H * d);
  for (let h = 0; h < H; h++) {
    const j = Math.floor((h * G) / H);
    const at = (y: Float32Array, t: number, i: number, n: number): Float32Array =>
      y.subarray((t * n + i) * d, (t * n + i + 1) * d);
    for (let t = 0; t < T; t++) {
      const query = turn(at(q, t, h, H), t);
      const e = Array.from({ length: t + 1 }, (_, n) => {
        const key = turn(at(k, n, j, G), n);
        return Math.exp(query.reduce((sum, value, i) => sum + value * key[i]!, 0) * d ** -0.5);
      });
      const total = e.reduce((a, b) => a + b, 0);
      const p = e.map((value) => value / total);
      const o = Float64Array.from({ length: d }, (_, i) =>
        p.reduce((sum, value, n) => sum + value * at(v, n, j, G)[i]!, 0),
      );
      heads.set(o, (t * H + h) * d);
      let a = 0;
      p.forEach((value, n) => {
        for (let row = 0; row < D; row++) {
          let y = 0;
          for (let i = 0; i < d; i++) y += W[row * H * d + h * d + i]! * (at(v, n, j, G)[i]! - o[i]!);
          a += value * y * y;
        }
      });
      s.spread[h]! += a;
      p.forEach((value, n) => {
        received[n]! += value ** 2;
        s.rotationWeight[j]! += value * a;
        inv_freq.forEach((omega, f) => {
          s.rotation[j * d + 2 * f]! += value * a * Math.cos(omega * (t - n));
          s.rotation[j * d + 2 * f + 1]! -= value * a * Math.sin(omega * (t - n));
        });
      });
      const raw = at(q, t, h, H);
      for (let i = 0; i < d; i++) {
        for (let l = 0; l < d; l++) {
          s.queries[(j * d + i) * d + l]! += raw[i]! * raw[l]!;
          s.spreadQueries[(j * d + i) * d + l]! += a * raw[i]! * raw[l]!;
        }
      }
    }
  }
  s.tokens[0] = T;
  const n = 2 * G * d;
  for (let t = 0; t < T; t++) {
    const y = [...k.subarray(t * G * d, (t + 1) * G * d), ...v.subarray(t * G * d, (t + 1) * G * d)];
    for (const [moments, w] of [
      [s.plain, 1],
      [s.attended, received[t]!],
    ] as const) {
      moments.weight[0]! += w;
      for (let i = 0; i < n; i++) {
        moments.mean[i]! += w * y[i]!;
        for (let l = 0; l < n; l++) moments.second[i * n + l]! += w * y[i]! * y[l]!;
      }
    }
  }
  const projected = linear(attn.o_proj, heads);
  const middle = hidden.map((value, i) => value + projected[i]!);
  const z = rms_norm(middle, layer.post_attention_layernorm, rms_norm_eps);
  const up = linear(mlp.up_proj, z);
  const down = linear(
    mlp.down_proj,
    linear(mlp.gate_proj, z).map((gate, i) => silu(gate) * up[i]!),
  );
  return { out: middle.map((value, i) => value + down[i]!), heads, projected, sums: s };
}

function average(config: ModelConfig, rows: readonly Sums[]): LayerStatistics {
  const sum = (of: (sums: Sums) => Float64Array): Float64Array =>
    rows.map(of).reduce((a, b) => a.map((value, i) => value + b[i]!));
  const tokens = sum((s) => s.tokens)[0]!;
  const moments = (of: (sums: Sums) => Sums['plain']): LayerStatistics['plain'] => {
    const weight = sum((s) => of(s).weight)[0]!;
    return {
      weight,
      mean: sum((s) => of(s).mean).map((value) => value / weight),
      second: sum((s) => of(s).second).map((value) => value / weight),
    };
  };
  const weights = sum((s) => s.rotationWeight);
  return {
    tokens,
    plain: moments((s) => s.plain),
    attended: moments((s) => s.attended),
    queries: sum((s) => s.queries).map((value) => value / tokens),
    spreadQueries: sum((s) => s.spreadQueries).map((value) => value / tokens),
    spread: sum((s) => s.spread).map((value) => value / tokens),
    rotation: sum((s) => s.rotation).map((value, i) => value / weights[Math.floor(i / config.head_dim)]!),
  };
}

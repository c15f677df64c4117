import { beforeAll, expect, test } from 'vitest';
import { convertLayer } from '../../../src/convert/convert_layer.ts';
import { DeepseekWriter } from '../../../src/convert/deepseek.ts';
import { weightOf } from '../../../src/convert/linear_weights.ts';
import { unpack } from '../../../src/core/packed.ts';
import type { ModelConfig } from '../../../src/core/config.ts';
import type { DecoderLayer, Linear, MlaAttention } from '../../../src/core/layers.ts';
import { ropeFrequencies } from '../../../src/core/rope.ts';
import { memorySource } from '../../../src/formats/byte_source.ts';
import { readSafetensors } from '../../../src/formats/safetensors.ts';
import { readFloats } from '../../../src/formats/tensor_data.ts';
import { rms_norm } from '../../../src/reference/rms_norm.ts';
import { matmul } from '../../../src/reference/matmul.ts';
import { runModel } from '../../../src/reference/model.ts';
import { calibrated } from './calibrated.ts';
import type { Calibrated } from './calibrated.ts';

/** The export, run as modeling_deepseek_v3.py of transformers does (its equations written down here), against our own oracle. */

const IDS = [3, 17, 42, 5, 61, 9, 30];
let model: Calibrated;
let config: ModelConfig;
let layers: DecoderLayer<MlaAttention>[];

beforeAll(async () => {
  model = await calibrated('mistral_mha', [IDS, [...IDS].toReversed()]);
  // The fixture's rope scaling cannot be exported; its weights do not mind another rope.
  config = { ...model.config, rope_scaling: { rope_type: 'default' } };
  const method = { method: 'webmla', form: 'strict', row_dim: 80, exportable: true } as const;
  layers = model.layers.map((layer, i) => ({
    ...layer,
    self_attn: convertLayer(config, i, layer.self_attn, model.statistics[i]!, method).attention,
  }));
});

async function tensorsOf(writer: DeepseekWriter): Promise<(name: string) => Promise<Float32Array>> {
  const parts = writer.parts().map((part) => Buffer.from(part));
  const file = await readSafetensors(memorySource(new Uint8Array(Buffer.concat(parts)), 'export'));
  return async (name) => {
    const entry = file.tensors.find((tensor) => tensor.name === name);
    if (!entry) throw new Error(`${name}: expected in the export`);
    return readFloats(entry, entry.shape);
  };
}

/** Multi-head latent attention of DeepSeek-V3 over normed inputs [T, hidden_size]. */
async function deepseekAttention(
  read: (name: string) => Promise<Float32Array>,
  layer: number,
  x: Float32Array,
  r: number,
  d_r: number,
): Promise<Float32Array> {
  const { hidden_size, num_attention_heads: heads, head_dim, rms_norm_eps } = config;
  const at = (name: string): Promise<Float32Array> => read(`model.layers.${layer}.self_attn.${name}`);
  const tokens = x.length / hidden_size;
  const wide = head_dim + d_r;
  const q = matmul(await at('q_proj.weight'), x, hidden_size);
  const a = matmul(
    await at('kv_a_proj_with_mqa.weight'),
    x,
    hidden_size,
    await at('kv_a_proj_with_mqa.bias'),
  );
  const latents = Float32Array.from(
    { length: tokens * r },
    (_, i) => a[Math.floor(i / r) * (r + d_r) + (i % r)]!,
  );
  const normed = rms_norm(latents, await at('kv_a_layernorm.weight'), rms_norm_eps);
  const kv = matmul(await at('kv_b_proj.weight'), normed, r);
  const inv_freq = Array.from({ length: d_r / 2 }, (_, i) => config.rope_theta ** ((-2 * i) / d_r));
  /** Interleaved pairs, rotated to position t. */
  const rotated = (values: Float32Array, t: number): number[] =>
    inv_freq.flatMap((w, i) => {
      const [re, im] = [values[2 * i]!, values[2 * i + 1]!];
      const [c, s] = [Math.cos(t * w), Math.sin(t * w)];
      return [re * c - im * s, re * s + im * c];
    });
  const out = new Float32Array(tokens * heads * head_dim);
  for (let h = 0; h < heads; h++) {
    const query = (t: number): number[] => {
      const own = q.subarray((t * heads + h) * wide, (t * heads + h + 1) * wide);
      return [...own.subarray(0, head_dim), ...rotated(own.subarray(head_dim), t)];
    };
    const key = (n: number): number[] => {
      const own = kv.subarray((n * heads + h) * 2 * head_dim, (n * heads + h) * 2 * head_dim + head_dim);
      return [...own, ...rotated(a.subarray(n * (r + d_r) + r, (n + 1) * (r + d_r)), n)];
    };
    for (let t = 0; t < tokens; t++) {
      const scores = Array.from({ length: t + 1 }, (_, n) => {
        const k = key(n);
        return query(t).reduce((sum, value, i) => sum + value * k[i]!, 0) / Math.sqrt(wide);
      });
      const most = Math.max(...scores);
      const weights = scores.map((score) => Math.exp(score - most));
      const total = weights.reduce((sum, w) => sum + w, 0);
      for (let i = 0; i < head_dim; i++) {
        const value = weights.reduce(
          (sum, w, n) => sum + w * kv[(n * heads + h) * 2 * head_dim + head_dim + i]!,
          0,
        );
        out[(t * heads + h) * head_dim + i] = value / total;
      }
    }
  }
  return matmul(await at('o_proj.weight'), out, heads * head_dim, await at('o_proj.bias'));
}

test('every layer computes what the converted layer computes', async () => {
  const writer = new DeepseekWriter(config);
  layers.forEach((layer, i) => writer.layer(i, layer));
  writer.ends(model.ends);
  const read = await tensorsOf(writer);
  const { kv_lora_rank, qk_rope_head_dim } = writer.configJson({});
  expect([kv_lora_rank, qk_rope_head_dim]).toEqual([80 - 24 + 1, 24]);
  const inputs: Float32Array[] = [];
  const logits = runModel(config, model.ends, layers, IDS, 'absorbed', (_, x) => inputs.push(x.slice()));
  expect(logits.every(Number.isFinite)).toBe(true);
  for (const [i, x] of inputs.entries()) {
    const got = await deepseekAttention(read, i, x, Number(kv_lora_rank), Number(qk_rope_head_dim));
    const want = absorbed(layers[i]!.self_attn, x, config.hidden_size);
    const size = want.reduce((most, value) => Math.max(most, Math.abs(value)), 0);
    const worst = got.reduce((most, value, k) => Math.max(most, Math.abs(value - want[k]!)), 0);
    expect(worst).toBeLessThan(1e-4 * size);
  }
});

function whole(linear: Linear): Float32Array {
  return Float32Array.from(weightOf(linear).data);
}

/** score and output as docs of MlaAttention have them, in plain loops. */
function absorbed(attention: MlaAttention, x: Float32Array, hidden_size: number): Float32Array {
  const { num_attention_heads: heads, head_dim } = config;
  const { groups, kv_lora_rank: r, qk_rope_head_dim: d_r, rope_pairs } = attention;
  const tokens = x.length / hidden_size;
  const q = matmul(whole(attention.q_proj), x, hidden_size, attention.q_proj.bias);
  const rows = matmul(whole(attention.kv_a_proj), x, hidden_size, attention.kv_a_proj.bias);
  const embed = unpack(attention.embed_q);
  const unembed = unpack(attention.unembed_out);
  const w = ropeFrequencies(config);
  const turn = (values: readonly number[], t: number): number[] => {
    const half = d_r / 2;
    return values.map((value, i) => {
      const p = i % half;
      const angle = t * w[rope_pairs[p]!]!;
      const other = values[i < half ? i + half : i - half]!;
      return value * Math.cos(angle) + (i < half ? -1 : 1) * other * Math.sin(angle);
    });
  };
  const out = new Float32Array(tokens * heads * head_dim);
  for (let h = 0; h < heads; h++) {
    const j = Math.floor((h * groups) / heads);
    for (let t = 0; t < tokens; t++) {
      const own = q.subarray((t * heads + h) * head_dim, (t * heads + h + 1) * head_dim);
      const lifted = Array.from({ length: r + d_r }, (_, i) =>
        own.reduce((sum, value, k) => sum + value * embed[(j * (r + d_r) + i) * head_dim + k]!, 0),
      );
      const rope = turn(lifted.slice(r), t);
      const scores = Array.from({ length: t + 1 }, (_, n) => {
        const row = rows.subarray(n * (r + d_r), (n + 1) * (r + d_r));
        const key = [...row.subarray(0, r), ...turn([...row.subarray(r)], n)];
        const query = [...lifted.slice(0, r), ...rope];
        return query.reduce((sum, value, i) => sum + value * key[i]!, 0) / Math.sqrt(head_dim);
      });
      const most = Math.max(...scores);
      const weights = scores.map((score) => Math.exp(score - most));
      const total = weights.reduce((sum, one) => sum + one, 0);
      for (let i = 0; i < head_dim; i++) {
        let sum = 0;
        for (let k = 0; k < r; k++) {
          const mixed = weights.reduce((all, one, n) => all + one * rows[n * (r + d_r) + k]!, 0) / total;
          sum += unembed[(j * head_dim + i) * r + k]! * mixed;
        }
        out[(t * heads + h) * head_dim + i] = sum;
      }
    }
  }
  return matmul(whole(attention.o_proj), out, heads * head_dim, attention.o_proj.bias);
}

test('what the layout cannot hold is refused', () => {
  expect(() => new DeepseekWriter(model.config)).toThrow(expect.objectContaining({ code: 'unsupported' }));
  const [layer] = layers;
  const refuse = (change: Partial<MlaAttention>): void =>
    expect(() =>
      new DeepseekWriter(config).layer(0, { ...layer!, self_attn: { ...layer!.self_attn, ...change } }),
    ).toThrow(expect.objectContaining({ code: 'unsupported' }));
  refuse({ latent: 'reuse' });
  refuse({ rope_pairs: layer!.self_attn.rope_pairs.toReversed() });
  refuse({ q_proj: { ...layer!.self_attn.q_proj, bias: new Float32Array(72) } });
  const writer = new DeepseekWriter(config);
  writer.layer(0, layer!);
  expect(() => writer.layer(1, { ...layer!, self_attn: { ...layer!.self_attn, kv_lora_rank: 12 } })).toThrow(
    expect.objectContaining({ code: 'unsupported' }),
  );
});

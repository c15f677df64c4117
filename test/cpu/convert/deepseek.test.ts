import { readFileSync } from 'node:fs';
import { fileURLToPath } from 'node:url';
import { describe, expect, test } from 'vitest';
import { openNodeFiles } from '../../../src/cli/node_files.ts';
import { convertLayer } from '../../../src/convert/convert_layer.ts';
import { DeepseekWriter } from '../../../src/convert/deepseek.ts';
import { deepseekRope } from '../../../src/convert/deepseek_rope.ts';
import type { RopeScaling } from '../../../src/core/config.ts';
import type { DecoderEnds, DecoderLayer, MlaAttention } from '../../../src/core/layers.ts';
import { unpack } from '../../../src/core/packed.ts';
import { ropeFrequencies } from '../../../src/core/rope.ts';
import { ConfigFields } from '../../../src/formats/config_fields.ts';
import type { ModelFiles } from '../../../src/formats/model_files.ts';
import { openCheckpoint } from '../../../src/formats/open_checkpoint.ts';
import { readRope } from '../../../src/formats/rope_config.ts';
import { architectureOf } from '../../../src/model/architecture.ts';
import { matmul } from '../../../src/reference/matmul.ts';
import { runModel } from '../../../src/reference/model.ts';
import { WeightReader } from '../../../src/runtime/weight_reader.ts';
import { readGolden } from '../../goldens.ts';
import { exported, IDS, strictModel, VARIANTS } from '../../strict_models.ts';
import type { StrictModel } from '../../strict_models.ts';
import { memoryFiles } from '../formats/memory_files.ts';
import { calibrated, relative } from './calibrated.ts';

/** Logits of transformers' DeepseekV3ForCausalLM (scripts/make_deepseek_goldens.py). */
const GOLDENS: Record<string, number[][]> = JSON.parse(
  readFileSync(new URL('goldens/deepseek.json', import.meta.url), 'utf8'),
);

async function readBack(files: Parameters<typeof memoryFiles>[0]): Promise<StrictModel> {
  return readLatent(memoryFiles(files));
}

/** A checkpoint in DeepSeek's layout as our layers. */
async function readLatent(files: ModelFiles): Promise<StrictModel> {
  const checkpoint = await openCheckpoint(files);
  const reader = new WeightReader(checkpoint, architectureOf(checkpoint.config), 'as-is', undefined);
  const layers: DecoderLayer<MlaAttention>[] = [];
  for (const [i, widths] of (checkpoint.latent?.layers ?? []).entries()) {
    const layer = await reader.latentLayer(i, widths, false);
    const { embed_q, unembed_out } = layer.self_attn;
    if (!embed_q || !unembed_out) throw new Error('expected a layer that is not folded');
    layers.push({ ...layer, self_attn: { ...layer.self_attn, embed_q, unembed_out } });
  }
  return { config: checkpoint.config, layers, ends: await reader.ends() };
}

describe('an export', () => {
  test.each(Object.entries(VARIANTS))(
    '%s: transformers and the reader see our model',
    async (name, variant) => {
      const golden = GOLDENS[name]!.flat();
      // bfloat16: transformers rounds after every operation; the weights alone make .006.
      const near = variant.format === 'bf16' ? 0.05 : 1e-5;
      const { config, layers, ends } = strictModel(name);
      expect(relative(runModel(config, ends, layers, IDS, 'absorbed'), golden)).toBeLessThan(near);
      const again = await readBack(exported(name));
      expect(again.layers[0]?.self_attn).toMatchObject({
        kv_lora_rank: 12,
        groups: config.num_key_value_heads,
      });
      for (const form of ['naive', 'absorbed'] as const) {
        const logits = runModel(again.config, again.ends, again.layers, IDS, form);
        expect(relative(logits, golden)).toBeLessThan(near);
      }
    },
  );

  test('whose constant carries a bias of values, as others may write it', async () => {
    const { config, layers, ends } = strictModel('plain');
    const files = exported('plain');
    const { tensors } = await openCheckpoint(memoryFiles(files));
    const bytes = Buffer.concat(files['model.safetensors']);
    const { head_dim, num_attention_heads: heads } = config;
    const given = Float32Array.from({ length: heads * head_dim }, (_, i) => (i % 7) / 10 - 0.3);
    for (const i of layers.keys()) {
      const { offset } = tensors.get(`model.layers.${i}.self_attn.kv_b_proj.weight`)!;
      // Row of value k of head h, last of its 13 columns.
      given.forEach((x, k) => {
        const row = Math.floor(k / head_dim) * 2 * head_dim + head_dim + (k % head_dim);
        bytes.writeFloatLE(x, offset + (row * 13 + 12) * 4);
      });
    }
    // The norm leaves sqrt(13) / 4 of the constant.
    const added = given.map((x) => (x * Math.sqrt(13)) / 4);
    const biased = layers.map((layer) => {
      const { o_proj } = layer.self_attn;
      const bias = Float32Array.from(matmul(unpack(o_proj.pieces[0]!), added, added.length, o_proj.bias));
      return { ...layer, self_attn: { ...layer.self_attn, o_proj: { ...o_proj, bias } } };
    });
    const again = await readBack({ ...files, 'model.safetensors': bytes });
    const logits = runModel(again.config, again.ends, again.layers, IDS, 'absorbed');
    expect(relative(logits, runModel(config, ends, biased, IDS, 'absorbed'))).toBeLessThan(1e-5);
    expect(relative(logits, GOLDENS['plain']!.flat())).toBeGreaterThan(1e-2);
  });

  test('of a real conversion', async () => {
    const { config, ends, layers, statistics } = await calibrated('mistral_mha', [
      IDS,
      [...IDS].toReversed(),
    ]);
    const method = { method: 'webmla', form: 'strict', row_dim: 80, exportable: true } as const;
    const made = layers.map((layer, i) => ({
      ...layer,
      self_attn: convertLayer(config, i, layer.self_attn, statistics[i]!, method).attention,
    }));
    const again = await readBack(filesOf({ config, ends, layers: made }));
    const { kv_lora_rank, qk_rope_head_dim } = again.config.mla!;
    expect([kv_lora_rank, qk_rope_head_dim]).toEqual([80 - 24 + 1, 24]);
    const logits = runModel(again.config, again.ends, again.layers, IDS, 'absorbed');
    expect(relative(logits, runModel(config, ends, made, IDS, 'absorbed'))).toBeLessThan(1e-5);
  });
});

function filesOf({
  config,
  ends,
  layers,
}: {
  config: StrictModel['config'];
  ends: DecoderEnds;
  layers: StrictModel['layers'];
}): ReturnType<typeof exported> {
  const writer = new DeepseekWriter(config);
  layers.forEach((layer, i) => writer.layer(i, layer));
  writer.ends(ends);
  return { 'config.json': writer.configJson({}), 'model.safetensors': writer.parts() };
}

describe('a checkpoint of TransMLA', () => {
  const folder = (name: string): string =>
    fileURLToPath(new URL(`../../fixtures_transmla/${name}`, import.meta.url));
  test.each([
    ['llama_mla', 2],
    ['deepseek_style', 4],
  ])('%s', async (name, groups) => {
    const { config, layers, ends } = await readLatent(await openNodeFiles(folder(name)));
    expect(layers[0]?.self_attn).toMatchObject({ groups, kv_lora_rank: 12, qk_rope_head_dim: 8 });
    const { logits } = readGolden(folder(name));
    const want = logits.flatMap(({ values }) => values.map(([, value]) => value));
    for (const form of ['naive', 'absorbed'] as const)
      expect(relative(runModel(config, ends, layers, logits[0]!.ids, form), want)).toBeLessThan(1e-5);
  });

  test('variants that do not run are refused', async () => {
    const raw = JSON.parse(readFileSync(`${folder('llama_mla')}/config.json`, 'utf8'));
    const weights = readFileSync(`${folder('llama_mla')}/model.safetensors`);
    const refuse = async (change: object, code = 'unsupported'): Promise<void> =>
      expect(
        readBack({ 'config.json': { ...raw, ...change }, 'model.safetensors': weights }),
      ).rejects.toThrow(expect.objectContaining({ code }));
    await refuse({ architectures: ['MixtralMLAForCausalLM'] });
    await refuse({ architectures: ['Gemma2MLAForCausalLM'] });
    // --use-qkv-norm: a norm over the latent
    await refuse({ qk_latent_layernorm: true, attention_bias: false });
    await refuse({ qk_latent_layernorm: true }, 'missing_file');
    await refuse({ rope_scaling: { rope_type: 'longrope', factor: 2 } });
    await refuse({ kv_lora_rank: null }, 'bad_file');
    await refuse({ qk_nope_head_dim: 8 }, 'bad_tensor');
  });
});

describe('rope scaling', () => {
  const yarn = {
    rope_type: 'yarn',
    factor: 4,
    original_max_position_embeddings: 32768,
    beta_fast: 32,
    beta_slow: 1,
    truncate: true,
    attention_factor: 1.14,
  } as const;
  test.each<[string, RopeScaling]>([
    ['linear', { rope_type: 'linear', factor: 3 }],
    [
      'llama3',
      {
        rope_type: 'llama3',
        factor: 8,
        low_freq_factor: 1,
        high_freq_factor: 4,
        original_max_position_embeddings: 8192,
      },
    ],
    ['yarn', yarn],
  ])('%s: a folded table has every so many frequencies of the original', (_, rope_scaling) => {
    const config = { head_dim: 128, rope_theta: 1e6, rope_scaling };
    for (const fold of [1, 2, 4]) {
      const raw = {
        rope_theta: 1e6,
        rope_scaling: deepseekRope(config, fold),
        max_position_embeddings: 65536,
      };
      const folded = { head_dim: 128 / fold, ...readRope(new ConfigFields(raw, 'export'), 'export') };
      const want = ropeFrequencies(config).filter((_w, f) => f % fold === 0);
      expect(relative(ropeFrequencies(folded), want)).toBeLessThan(1e-6);
    }
  });

  test('what a folded table cannot say is refused', () => {
    const refuse = (rope_scaling: RopeScaling, rope_theta: number): void =>
      expect(() => deepseekRope({ head_dim: 64, rope_theta, rope_scaling }, 2)).toThrow(
        expect.objectContaining({ code: 'unsupported' }),
      );
    refuse({ rope_type: 'dynamic', factor: 2, original_max_position_embeddings: 2048 }, 1e4);
    refuse(yarn, 50);
    expect(
      deepseekRope(
        {
          head_dim: 64,
          rope_theta: 1e4,
          rope_scaling: { rope_type: 'dynamic', factor: 2, original_max_position_embeddings: 2048 },
        },
        1,
      ),
    ).toEqual({ rope_type: 'dynamic', factor: 2 });
  });
});

describe('refused with a reason', () => {
  const unsupported = expect.objectContaining({ code: 'unsupported' });

  test('what the layout cannot hold', () => {
    const { config, layers } = strictModel('yarn_biased');
    const [layer] = layers;
    const { self_attn } = layer!;
    const refuse = (change: Partial<MlaAttention>): void =>
      expect(() =>
        new DeepseekWriter(config).layer(0, { ...layer!, self_attn: { ...self_attn, ...change } }),
      ).toThrow(unsupported);
    refuse({ latent: 'reuse' });
    refuse({ rope_pairs: self_attn.rope_pairs.toReversed() });
    const writer = new DeepseekWriter(config);
    writer.layer(0, layer!);
    const second = (change: Partial<MlaAttention>): void =>
      expect(() => writer.layer(1, { ...layer!, self_attn: { ...self_attn, ...change } })).toThrow(
        unsupported,
      );
    second({ kv_lora_rank: 8 });
    second({ q_proj: { ...self_attn.q_proj, bias: null } });
    expect(() => new DeepseekWriter(config, 'f16')).toThrow(unsupported);
    const biased = { ...layer!.mlp, up_proj: { ...layer!.mlp.up_proj, bias: new Float32Array(48) } };
    expect(() => new DeepseekWriter(config).layer(0, { ...layer!, mlp: biased })).toThrow(unsupported);
  });

  test('latents that are really normalised', async () => {
    const { config, layers, ends } = strictModel('plain');
    const files = filesOf({ config, layers, ends });
    const opened = await openCheckpoint(memoryFiles(files));
    const entry = opened.tensors.get('model.layers.1.self_attn.kv_a_proj_with_mqa.bias')!;
    const bytes = Buffer.concat(files['model.safetensors']);
    // The constant is the value behind the 12 of the latent.
    bytes.writeFloatLE(1, entry.offset + 12 * 4);
    await expect(readBack({ ...files, 'model.safetensors': bytes })).rejects.toThrow(unsupported);
    const native = { ...files['config.json'], attention_bias: false };
    await expect(readBack({ ...files, 'config.json': native })).rejects.toThrow(unsupported);
    const experts = { ...files['config.json'], first_k_dense_replace: 1 };
    await expect(readBack({ ...files, 'config.json': experts })).rejects.toThrow(unsupported);
  });
});

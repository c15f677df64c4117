import { describe, expect, test } from 'vitest';
import { SHAPES } from '../../../src/core/shapes.ts';
import { latentShape } from '../../../src/core/layers.ts';
import { RandomDecoder } from '../../../src/runtime/random_decoder.ts';
import { cacheSize, parseSetting, settingKey, settingName } from '../../../src/runtime/race/setting.ts';
import type { RaceSetting } from '../../../src/runtime/race/setting.ts';

const setting = (key: string): RaceSetting => {
  const found = parseSetting(key);
  if (!found) throw new Error(key);
  return found;
};

test.each([
  ['gqa-f16', 'GQA f16'],
  ['exact-int8', 'MLA lossless int8'],
  ['reuse-0.25-int4', 'MLA reuse 25 % int4'],
  ['recon-0.125-f32', 'MLA recon 12.5 % f32'],
])('the key %s is that of %s', (key, name) => {
  expect(settingKey(setting(key))).toBe(key);
  expect(settingName(setting(key))).toBe(name);
});

test.each([
  '',
  'gqa',
  'gqa-f17',
  'gqa-0.5-f16',
  'reuse-f16',
  'reuse-0-f16',
  'reuse-2-f16',
  'reuse-0.5-f16-x',
])('%j is no key', (key) => expect(parseSetting(key)).toBeNull());

describe('bytes of the cache, SmolLM2-135M', () => {
  const config = SHAPES['smollm2-135m'];

  test.each([
    ['gqa-f16', 23_040],
    ['gqa-f32', 46_080],
    ['gqa-int8', 12_960],
    ['exact-f16', 23_040],
  ])('%s', (key, token) =>
    expect(cacheSize(config, setting(key), null)).toEqual({ widestRow: token / 30, token }),
  );

  test.each([
    ['strict-0.5-f16', 192, 32],
    ['reuse-0.25-f16', 96, 32],
    ['recon-0.5-f16', 192, 32],
  ])('%s, with random weights', async (key, row_dim, rope) => {
    const { form, kvBudget, cacheDtype } = setting(key);
    if (form === 'gqa' || form === 'exact' || kvBudget === null) throw new Error(key);
    const small = { ...config, num_hidden_layers: 1, vocab_size: 64, intermediate_size: 64 };
    const source = new RandomDecoder(small, 'q4_0', { form, kvBudget, cacheDtype });
    const [widths] = source.latent?.layers ?? [];
    if (!widths || !source.latent) throw new Error('no layers');
    expect(latentShape(widths).row_dim).toBe(row_dim);
    expect(widths.qk_rope_head_dim).toBe(rope);
    expect(cacheSize(small, setting(key), source.latent.layers).token).toBe(768 * kvBudget);
    const { self_attn } = await source.latentLayer(0, widths, false);
    expect(self_attn.kv_a_proj.pieces[0]?.rows).toBe(row_dim);
    expect(self_attn.embed_q?.rows).toBe(3 * latentShape(widths).qk_dim);
    expect(self_attn.rope_rebuild?.pieces[0]?.rows ?? null).toBe(form === 'recon' ? rope : null);
  });

  test('a budget of nothing but rope keys is refused', () =>
    expect(() => new RandomDecoder(config, 'q4_0', { form: 'reuse', kvBudget: 0.04 })).toThrow(/rope keys/));
});

import { describe, expect, test } from 'vitest';
import { attentionChoice, intentOf } from '../../../src/runtime/conversion_choice.ts';
import type { EngineOptions } from '../../../src/runtime/types.ts';

test.each<[EngineOptions['attention']]>([
  [undefined],
  ['gqa'],
  ['mla'],
  [{ form: 'mla' }],
  [{ form: 'mla', method: 'exact' }],
])('%j needs no conversion before it is loaded', (attention) => {
  expect(attentionChoice(attention)).toEqual({
    form: typeof attention === 'object' ? attention.form : attention,
    wish: null,
  });
});

test('a budget means webmla; what is named is kept, and the rest left open', () => {
  const { wish } = attentionChoice({ form: 'mla', kvBudget: 0.5, refit: false });
  expect(wish).toEqual({ method: 'webmla', kvBudget: 0.5, refit: false });
  expect(intentOf(wish!, 'int4')).toEqual({ method: 'webmla', cacheDtype: 'int4', kvBudget: 0.5 });
  const widths = { latent: 'recon', kv_lora_rank: 96, qk_rope_head_dim: 32 } as const;
  expect(intentOf(attentionChoice({ form: 'mla', ...widths }).wish!, undefined)).toEqual({
    method: 'webmla',
    form: 'recon',
    kv_lora_rank: 96,
    qk_rope_head_dim: 32,
  });
  expect(attentionChoice({ form: 'mla', maxLoss: 0.05 }).wish).toEqual({ method: 'webmla', maxLoss: 0.05 });
});

describe('what makes no sense is a bad request', () => {
  test.each<[string, object]>([
    ['another form', { form: 'gqa', kvBudget: 0.5 }],
    ['a method that is not there', { form: 'mla', method: 'magic', kvBudget: 0.5 }],
    ['no budget', { form: 'mla', method: 'webmla' }],
    ['two budgets', { form: 'mla', kvBudget: 0.5, kv_lora_rank: 64 }],
    ['a loss of a method that does not search', { form: 'mla', method: 'transmla', maxLoss: 0.05 }],
    ['a budget and a loss', { form: 'mla', kvBudget: 0.5, maxLoss: 0.05 }],
    ['a budget of what keeps everything', { form: 'mla', method: 'exact', kvBudget: 0.5 }],
    ['a form that the method has not', { form: 'mla', method: 'transmla', latent: 'reuse', kvBudget: 0.5 }],
  ])('%s', (_, attention) => {
    expect(() => attentionChoice(attention as EngineOptions['attention'])).toThrow(
      expect.objectContaining({ code: 'bad_request' }),
    );
  });
});

import { describe, expect, test } from 'vitest';
import { choiceOf, attentionChoice } from '../../../src/runtime/conversion_choice.ts';
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

test('a budget means webmla in reuse at the dtype of the cache; what is named is kept', () => {
  const { wish } = attentionChoice({ form: 'mla', kvBudget: 0.5, refit: false });
  expect(wish).toEqual({ method: 'webmla', kvBudget: 0.5, refit: false });
  expect(choiceOf(wish!, 'int4')).toMatchObject({
    method: 'webmla',
    form: 'reuse',
    cacheDtype: 'int4',
    kvBudget: 0.5,
    exportable: false,
  });
  const { wish: widths } = attentionChoice({
    form: 'mla',
    latent: 'recon',
    kv_lora_rank: 96,
    qk_rope_head_dim: 32,
  });
  expect(choiceOf(widths!)).toMatchObject({
    form: 'recon',
    cacheDtype: 'f16',
    kv_lora_rank: 96,
    qk_rope_head_dim: 32,
  });
  expect(choiceOf(attentionChoice({ form: 'mla', method: 'transmla', kvBudget: 0.5 }).wish!).form).toBe(
    'strict',
  );
});

describe('what makes no sense is a bad request', () => {
  test.each<[string, object]>([
    ['another form', { form: 'gqa', kvBudget: 0.5 }],
    ['a method that is not there', { form: 'mla', method: 'magic', kvBudget: 0.5 }],
    ['no budget', { form: 'mla', method: 'webmla' }],
    ['two budgets', { form: 'mla', kvBudget: 0.5, kv_lora_rank: 64 }],
    ['a budget of what keeps everything', { form: 'mla', method: 'exact', kvBudget: 0.5 }],
    ['a form that the method has not', { form: 'mla', method: 'transmla', latent: 'reuse', kvBudget: 0.5 }],
  ])('%s', (_, attention) => {
    expect(() => attentionChoice(attention as EngineOptions['attention'])).toThrow(
      expect.objectContaining({ code: 'bad_request' }),
    );
  });
});

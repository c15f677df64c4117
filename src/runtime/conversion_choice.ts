import type { MethodChoice } from '../convert/budget.ts';
import type { Intent } from '../convert/candidates.ts';
import { WebMlaError } from '../core/errors.ts';
import type { AttentionForm, CacheDtype, EngineOptions, MlaOptions } from './types.ts';

/** What a person asks for, as the options of a conversion. */

const METHODS: readonly MlaOptions['method'][] = ['exact', 'webmla', 'transmla', 'mha2mla'];

/** A conversion that has to be made before the model is loaded. */
export interface ConversionWish extends Omit<MlaOptions, 'form' | 'method'> {
  readonly method: MethodChoice['method'];
}

/**
 * What an engine is to load, and what has to be done before.
 * @returns form: undefined leaves it to the checkpoint. wish: null where nothing is to be done, for GQA, a checkpoint as it is, or
 *   the exact form, which is made while it is loaded
 * @throws WebMlaError `bad_request`
 */
export function attentionChoice(attention: EngineOptions['attention']): {
  readonly form: AttentionForm | undefined;
  readonly wish: ConversionWish | null;
} {
  if (attention === undefined || attention === 'gqa' || attention === 'mla')
    return { form: attention, wish: null };
  const { form, method: named, ...wish } = attention;
  const bad = (what: string, got: unknown, hint = ''): WebMlaError =>
    new WebMlaError('bad_request', `attention${what}, got ${JSON.stringify(got)}`, hint);
  if (form !== 'mla') throw bad(`: expected 'gqa', 'mla' or {form: 'mla'}`, attention);
  if (named !== undefined && !METHODS.includes(named)) {
    throw bad(`.method: expected ${METHODS.join(', ')}`, named);
  }
  const budgets = [wish.kvBudget, wish.maxLoss, wish.kv_lora_rank].filter((budget) => budget !== undefined);
  const method = named ?? (budgets.length > 0 ? 'webmla' : 'exact');
  if (method === 'exact') {
    if (Object.values(wish).every((value) => value === undefined)) return { form, wish: null };
    throw bad(`: expected no more than the method 'exact', which keeps the cache as it is`, wish);
  }
  if (budgets.length !== 1) {
    throw bad(`: expected one of kvBudget, maxLoss and kv_lora_rank with the method '${method}'`, wish);
  }
  if (method !== 'webmla' && wish.maxLoss !== undefined) {
    throw bad(`.maxLoss: expected the method 'webmla'`, method);
  }
  if (method !== 'webmla' && wish.latent !== undefined && wish.latent !== 'strict') {
    throw bad(`.latent: expected 'strict' with the method '${method}'`, wish.latent);
  }
  return { form, wish: { ...wish, method } };
}

/** A wish as the search takes it: what was not asked for is left open. */
export function intentOf(wish: ConversionWish, cacheDtype: CacheDtype | undefined): Intent {
  const { method, kvBudget, maxLoss, kv_lora_rank, qk_rope_head_dim, latent } = wish;
  return { method, form: latent, cacheDtype, kvBudget, maxLoss, kv_lora_rank, qk_rope_head_dim };
}

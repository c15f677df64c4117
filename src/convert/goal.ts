import { WebMlaError } from '../core/errors.ts';
import type { AttentionShape } from './attention_shape.ts';
import { methodOptions, widestRow } from './budget.ts';
import type { MethodChoice } from './budget.ts';
import { budgetCandidates, choiceOf, familyMembers, openFamilies } from './candidates.ts';
import type { Candidate, Intent } from './candidates.ts';

/** What an intent leaves to be found out about a model. */
export type Goal =
  /** Nothing. */
  | { readonly kind: 'fixed'; readonly candidate: Candidate; readonly choice: MethodChoice }
  /** The best of what a budget pays for. */
  | { readonly kind: 'budget'; readonly candidates: readonly Candidate[] }
  /** The fewest bytes; widths of each form and dtype, narrowest first. */
  | {
      readonly kind: 'loss';
      readonly families: readonly (readonly Candidate[])[];
      readonly maxLoss: number;
    };

/** @throws WebMlaError `bad_request` for an intent that makes no sense, or that no row of this model fits */
export function goalOf(shape: AttentionShape, layers: number, intent: Intent): Goal {
  const { method, kvBudget, maxLoss, kv_lora_rank, row_dim, form, exportable = false } = intent;
  const width = kv_lora_rank ?? row_dim;
  if ([kvBudget, maxLoss, width].filter((asked) => asked !== undefined).length !== 1) {
    throw new WebMlaError(
      'bad_request',
      'budget: expected one of kvBudget, maxLoss and kv_lora_rank, got none or several',
    );
  }
  if (method !== 'webmla' && form !== undefined && form !== 'strict') {
    throw new WebMlaError('bad_request', `form: expected strict with ${method}, got ${form}`);
  }
  if (exportable && form !== undefined && form !== 'strict') {
    throw new WebMlaError('bad_request', `exportable: expected the form strict, got ${form}`);
  }
  const families = openFamilies(intent);
  if (maxLoss !== undefined) {
    if (method !== 'webmla')
      throw new WebMlaError('bad_request', `maxLoss: expected the method webmla, got ${method}`);
    if (!(maxLoss > 0 && Number.isFinite(maxLoss)))
      throw new WebMlaError('bad_request', `maxLoss: expected a number above 0, got ${maxLoss}`);
    return {
      kind: 'loss',
      families: families.map((family) => familyMembers(shape, layers, family)),
      maxLoss,
    };
  }
  if (kvBudget !== undefined) {
    const candidates = budgetCandidates(shape, layers, families, kvBudget);
    const [only] = candidates;
    return only && families.length === 1
      ? fixed(shape, layers, choiceOf(intent, only))
      : { kind: 'budget', candidates };
  }
  const reuse = method === 'webmla' && !exportable;
  return fixed(shape, layers, {
    ...intent,
    form: form ?? (reuse ? 'reuse' : 'strict'),
    exportable,
    cacheDtype: intent.cacheDtype ?? 'f16',
    options: intent.options ?? {},
  });
}

function fixed(shape: AttentionShape, layers: number, choice: MethodChoice): Goal {
  const { form, cacheDtype } = choice;
  const { row_dim } = methodOptions(shape, choice);
  const bytes = layers * widestRow(row_dim, cacheDtype);
  return { kind: 'fixed', candidate: { form, cacheDtype, row_dim, bytes }, choice };
}

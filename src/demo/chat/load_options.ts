import type { AttentionForm, CacheDtype, WeightChoice } from '../../index.ts';
import { ATTENTION_FORMS, CACHE_DTYPES } from '../forms.ts';
import { fieldsOf, numberOr, oneOf } from '../plain_data.ts';

/** What is fixed when a model is loaded: a change of it loads the model again. */
export interface LoadOptions {
  readonly attention: AttentionForm;
  /** Compressed MLA: the share of the GQA cache that it may take. null: nothing is given up. */
  readonly kvBudget: number | null;
  readonly weights: WeightChoice;
  readonly cacheDtype: CacheDtype;
  /** null: what the engine chooses for the model. */
  readonly contextLength: number | null;
}

export const WEIGHT_CHOICES = ['as-is', 'q4', 'q8', 'f16', 'f32'] as const satisfies readonly WeightChoice[];

/** Lossless MLA: the page shows what webmla is about, and nothing is given up for it. */
export const DEFAULT_LOAD_OPTIONS: LoadOptions = {
  attention: 'mla',
  kvBudget: null,
  weights: 'as-is',
  cacheDtype: 'f16',
  contextLength: null,
};

/** What the budget begins with: half the bytes cost little (docs/conversion.md). */
export const DEFAULT_BUDGET = 0.5;

export function isBudget(value: number | null): value is number {
  return value !== null && value > 0 && value <= 1;
}

export function parseLoadOptions(stored: unknown): LoadOptions {
  const fields = fieldsOf(stored);
  const length = numberOr(fields['contextLength'], null);
  const attention = oneOf(fields['attention'], ATTENTION_FORMS, DEFAULT_LOAD_OPTIONS.attention);
  const kvBudget = numberOr(fields['kvBudget'], null);
  return {
    attention,
    kvBudget: attention === 'mla' && isBudget(kvBudget) ? kvBudget : null,
    weights: oneOf(fields['weights'], WEIGHT_CHOICES, DEFAULT_LOAD_OPTIONS.weights),
    cacheDtype: oneOf(fields['cacheDtype'], CACHE_DTYPES, DEFAULT_LOAD_OPTIONS.cacheDtype),
    contextLength: length !== null && Number.isInteger(length) && length > 0 ? length : null,
  };
}

export function sameOptions(a: LoadOptions, b: LoadOptions): boolean {
  return (
    a.attention === b.attention &&
    a.kvBudget === b.kvBudget &&
    a.weights === b.weights &&
    a.cacheDtype === b.cacheDtype &&
    a.contextLength === b.contextLength
  );
}

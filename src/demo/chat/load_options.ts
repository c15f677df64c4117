import type { AttentionForm, CacheDtype, WeightChoice } from '../../index.ts';
import { ATTENTION_FORMS, CACHE_DTYPES } from '../forms.ts';
import { fieldsOf, numberOr, oneOf } from '../plain_data.ts';

/** What is fixed when a model is loaded: a change of it loads the model again. */
export interface LoadOptions {
  readonly attention: AttentionForm;
  readonly weights: WeightChoice;
  readonly cacheDtype: CacheDtype;
  /** null: what the engine chooses for the model. */
  readonly contextLength: number | null;
}

export const WEIGHT_CHOICES = ['as-is', 'q4', 'q8', 'f16', 'f32'] as const satisfies readonly WeightChoice[];

/** Lossless MLA: the page shows what webmla is about, and nothing is given up for it. */
export const DEFAULT_LOAD_OPTIONS: LoadOptions = {
  attention: 'mla',
  weights: 'as-is',
  cacheDtype: 'f16',
  contextLength: null,
};

export function parseLoadOptions(stored: unknown): LoadOptions {
  const fields = fieldsOf(stored);
  const length = numberOr(fields['contextLength'], null);
  return {
    attention: oneOf(fields['attention'], ATTENTION_FORMS, DEFAULT_LOAD_OPTIONS.attention),
    weights: oneOf(fields['weights'], WEIGHT_CHOICES, DEFAULT_LOAD_OPTIONS.weights),
    cacheDtype: oneOf(fields['cacheDtype'], CACHE_DTYPES, DEFAULT_LOAD_OPTIONS.cacheDtype),
    contextLength: length !== null && Number.isInteger(length) && length > 0 ? length : null,
  };
}

export function sameOptions(a: LoadOptions, b: LoadOptions): boolean {
  return (
    a.attention === b.attention &&
    a.weights === b.weights &&
    a.cacheDtype === b.cacheDtype &&
    a.contextLength === b.contextLength
  );
}

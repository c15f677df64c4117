import type { AttentionForm, CacheDtype, PrefillMath } from '../index.ts';

/** Forms of attention and of its cache: which there are, and what pages call them. */

export const ATTENTION_FORMS = ['gqa', 'mla'] as const satisfies readonly AttentionForm[];
export const LATENT_FORMS = ['strict', 'reuse', 'recon'] as const;
export const CACHE_DTYPES = ['f16', 'f32', 'int8', 'int4'] as const satisfies readonly CacheDtype[];

export const PREFILL_MATHS = ['exact', 'int8'] as const satisfies readonly PrefillMath[];

export const PREFILL_NAMES: Readonly<Record<PrefillMath, string>> = {
  exact: 'exact',
  int8: '8 bits (int8)',
};

export const ATTENTION_NAMES: Readonly<Record<AttentionForm, string>> = { gqa: 'GQA', mla: 'MLA' };
export const CACHE_NAMES: Readonly<Record<CacheDtype, string>> = {
  f16: '16 bits (f16)',
  f32: '32 bits (f32)',
  int8: '8 bits (int8)',
  int4: '4 bits (int4)',
};

/** The one line about what the exact form is, and what it is not. */
export const MLA_EXPLAINED =
  'Lossless MLA computes the same function from the same number of cache bytes as the GQA checkpoint it is rewritten from. Compressed MLA keeps less, at some loss in quality.';

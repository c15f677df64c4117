import type { AttentionForm, CacheDtype, PrefillMath } from '../../index.ts';
import type { BenchRequest, LatentForm } from '../../measure.ts';
import { ATTENTION_FORMS, CACHE_DTYPES, LATENT_FORMS, PREFILL_MATHS } from '../forms.ts';
import { fieldsOf, oneOf, textOr } from '../plain_data.ts';
import { isShape, parseSubject, subjectSource } from '../subject.ts';
import type { Subject } from '../subject.ts';

/** The form, as it is filled in. */
export interface BenchSettings {
  readonly subject: Subject;
  /** Of the model, where the subject is 'address'. */
  readonly address: string;
  readonly attention: AttentionForm;
  /** Of a shape as MLA: how the cache is shrunk, as a share of GQA's. null: not at all. */
  readonly latent: BenchLatent | null;
  readonly cacheDtype: CacheDtype;
  /** Lists of lengths, as they are typed. */
  readonly contexts: string;
  readonly prefill: string;
  readonly prefillMath: PrefillMath;
}

export interface BenchLatent {
  readonly form: LatentForm;
  readonly kvBudget: number;
}

/** Offered; the address may ask for others. */
export const LATENTS: readonly BenchLatent[] = [0.5, 0.25, 0.125].flatMap((kvBudget) =>
  (['reuse', 'recon', 'strict'] as const).map((form) => ({ form, kvBudget })),
);

/** reuse 25 % */
export function latentName({ form, kvBudget }: BenchLatent): string {
  return `${form} ${Math.round(kvBudget * 1000) / 10} %`;
}

/** What most devices do within a minute; software adapters get work that they end as soon. */
export function usualSettings(software: boolean): BenchSettings {
  return {
    subject: software ? 'embedded' : 'smollm2-135m',
    address: '',
    attention: 'gqa',
    latent: null,
    cacheDtype: 'f16',
    contexts: software ? '16, 64' : '128, 1024',
    prefill: software ? '16' : '512',
    prefillMath: 'exact',
  };
}

export function parseSettings(stored: unknown, usual: BenchSettings): BenchSettings {
  const fields = fieldsOf(stored);
  return {
    subject: parseSubject(fields['subject'], usual.subject),
    address: textOr(fields['address'], usual.address),
    attention: oneOf(fields['attention'], ATTENTION_FORMS, 'form' in fields ? 'mla' : usual.attention),
    latent: parseLatent(fields, usual.latent),
    cacheDtype: oneOf(fields['cacheDtype'], CACHE_DTYPES, usual.cacheDtype),
    contexts: textOr(fields['contexts'], usual.contexts),
    prefill: textOr(fields['prefill'], usual.prefill),
    prefillMath: oneOf(fields['prefillMath'], PREFILL_MATHS, usual.prefillMath),
  };
}

/** As it is kept; or the fields form and kvBudget, as they stand in the address. */
function parseLatent(fields: ReturnType<typeof fieldsOf>, usual: BenchLatent | null): BenchLatent | null {
  if (fields['latent'] === null) return null;
  const asked = fields['latent'] === undefined ? fields : fieldsOf(fields['latent']);
  // Of a form alone, a quarter.
  const kvBudget = Number(asked['kvBudget'] ?? ('form' in asked ? 0.25 : NaN));
  return kvBudget > 0 && kvBudget <= 1
    ? { form: oneOf(asked['form'], LATENT_FORMS, 'reuse'), kvBudget }
    : usual;
}

/** Both lists may not be empty at once, and there is an end to what anyone waits for. */
export const MOST_LENGTHS = 12;

/** '128, 1024' as numbers; null where something else stands there. */
export function parseLengths(text: string): readonly number[] | null {
  const parts = text.split(/[\s,;]+/).filter((part) => part !== '');
  if (parts.length > MOST_LENGTHS || parts.some((part) => !/^[1-9]\d{0,6}$/.test(part))) return null;
  return [...new Set(parts.map(Number))].toSorted((a, b) => a - b);
}

/** @returns null where the form is not filled in as it should be */
export function requestOf(settings: BenchSettings): BenchRequest | null {
  const { subject, address, attention, cacheDtype, prefillMath } = settings;
  const latent = attention === 'mla' && isShape(subject) ? settings.latent : null;
  const contexts = parseLengths(settings.contexts);
  const prefill = parseLengths(settings.prefill);
  if (contexts === null || prefill === null || contexts.length + prefill.length === 0) return null;
  if (subject === 'address' && address.trim() === '') return null;
  const source = subjectSource(subject, address);
  return {
    subject: latent && 'shape' in source ? { ...source, latent: { ...latent, cacheDtype } } : source,
    attention,
    cacheDtype,
    contexts,
    prefill,
    prefillMath,
  };
}

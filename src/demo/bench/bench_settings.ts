import type { AttentionForm, CacheDtype } from '../../index.ts';
import { isShapeName } from '../../measure.ts';
import type { BenchRequest, LatentForm, ShapeName } from '../../measure.ts';
import { EMBEDDED_MODEL } from '../embedded_model.ts';
import { ATTENTION_FORMS, CACHE_DTYPES, LATENT_FORMS } from '../forms.ts';
import { absoluteAddress, lastPart } from '../model_address.ts';
import { fieldsOf, oneOf, textOr } from '../plain_data.ts';

/** What is measured: a shape with random weights, the model that comes with the page, or one from elsewhere. */
export type Subject = ShapeName | 'embedded' | 'address';

/** The form, as it is filled in. */
export interface BenchSettings {
  readonly subject: Subject;
  /** Of the model, where the subject is 'address'. */
  readonly address: string;
  readonly attention: AttentionForm;
  /** A shape as MLA in this form with a quarter of its cache; '' : as `attention` says. Only by the page's address. */
  readonly form: LatentForm | '';
  readonly cacheDtype: CacheDtype;
  /** Lists of lengths, as they are typed. */
  readonly contexts: string;
  readonly prefill: string;
}

export const SUBJECT_NAMES: Readonly<Record<Subject, string>> = {
  'smollm2-135m': 'SmolLM2 135M',
  'qwen2-0.5b': 'Qwen2 0.5B',
  'llama-3.2-1b': 'Llama 3.2 1B',
  embedded: EMBEDDED_MODEL.name,
  address: 'another model',
};

/** What most devices do within a minute; software adapters get work that they end as soon. */
export function usualSettings(software: boolean): BenchSettings {
  return {
    subject: software ? 'embedded' : 'smollm2-135m',
    address: '',
    attention: 'gqa',
    form: '',
    cacheDtype: 'f16',
    contexts: software ? '16, 64' : '128, 1024',
    prefill: software ? '16' : '512',
  };
}

export function parseSettings(stored: unknown, usual: BenchSettings): BenchSettings {
  const fields = fieldsOf(stored);
  const subject = textOr(fields['subject'], '');
  return {
    subject: isShapeName(subject) ? subject : oneOf(subject, ['embedded', 'address'], usual.subject),
    address: textOr(fields['address'], usual.address),
    attention: oneOf(fields['attention'], ATTENTION_FORMS, usual.attention),
    form: oneOf(fields['form'], LATENT_FORMS, ''),
    cacheDtype: oneOf(fields['cacheDtype'], CACHE_DTYPES, usual.cacheDtype),
    contexts: textOr(fields['contexts'], usual.contexts),
    prefill: textOr(fields['prefill'], usual.prefill),
  };
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
  const { subject, address, form, cacheDtype } = settings;
  const attention = form === '' ? settings.attention : 'mla';
  const contexts = parseLengths(settings.contexts);
  const prefill = parseLengths(settings.prefill);
  if (contexts === null || prefill === null || contexts.length + prefill.length === 0) return null;
  if (subject === 'address' && address.trim() === '') return null;
  return { subject: sourceOf(subject, address, form), attention, cacheDtype, contexts, prefill };
}

function sourceOf(subject: Subject, address: string, form: LatentForm | ''): BenchRequest['subject'] {
  if (subject === 'address') return { model: absoluteAddress(address) };
  return subject === 'embedded'
    ? { model: new URL(EMBEDDED_MODEL.path, document.baseURI).href }
    : { shape: subject, ...(form !== '' && { latent: form }) };
}

export function subjectName({ subject, address }: BenchSettings): string {
  return subject === 'address' ? lastPart(address.trim()) : SUBJECT_NAMES[subject];
}

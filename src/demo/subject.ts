import { isShapeName } from '../measure.ts';
import type { BenchRequest, ShapeName } from '../measure.ts';
import { EMBEDDED_MODEL } from './embedded_model.ts';
import { absoluteAddress, lastPart } from './model_address.ts';
import { oneOf, textOr } from './plain_data.ts';

/** What is measured: a shape with random weights, the model that comes with the page, or one from elsewhere. */
export type Subject = ShapeName | 'embedded' | 'address';

export const SUBJECT_NAMES: Readonly<Record<Subject, string>> = {
  'smollm2-135m': 'SmolLM2 135M',
  'qwen2-0.5b': 'Qwen2 0.5B',
  'llama-3.2-1b': 'Llama 3.2 1B',
  embedded: EMBEDDED_MODEL.name,
  address: 'another model',
};

export function parseSubject(value: unknown, otherwise: Subject): Subject {
  const text = textOr(value, '');
  return isShapeName(text) ? text : oneOf(text, ['embedded', 'address'], otherwise);
}

/** @param address of the model, where the subject is 'address' */
export function subjectSource(subject: Subject, address: string): BenchRequest['subject'] {
  if (subject === 'address') return { model: absoluteAddress(address) };
  return subject === 'embedded'
    ? { model: new URL(EMBEDDED_MODEL.path, document.baseURI).href }
    : { shape: subject };
}

export function subjectName({ subject, address }: { subject: Subject; address: string }): string {
  return subject === 'address' ? lastPart(address.trim()) : SUBJECT_NAMES[subject];
}

/** Random weights: speed and bytes only. */
export function isShape(subject: Subject): boolean {
  return subject !== 'embedded' && subject !== 'address';
}

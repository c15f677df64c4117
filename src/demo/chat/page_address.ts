import type { AttentionForm, CacheDtype } from '../../index.ts';
import { oneOf } from '../plain_data.ts';
import { ATTENTION_FORMS, CACHE_DTYPES } from '../forms.ts';
import { addressChoice } from '../model_choice.ts';
import type { ModelChoice, ModelKey } from '../model_choice.ts';

/** What the page's address asks for: `?model=`, `?attention=`, `?cacheDtype=`, `?auto=1`; and the conversation, as `#/ID`. */
export interface PageAddress {
  readonly model: (ModelChoice & ModelKey) | null;
  readonly attention: AttentionForm | null;
  readonly cacheDtype: CacheDtype | null;
  /** Work without a click and leave the result in globalThis.__result. */
  readonly auto: boolean;
}

export function readPageAddress(): PageAddress {
  const query = new URLSearchParams(location.search);
  const model = query.get('model') ?? '';
  return {
    model: model === '' ? null : addressChoice(model),
    attention: oneOf(query.get('attention'), ATTENTION_FORMS, null),
    cacheDtype: oneOf(query.get('cacheDtype'), CACHE_DTYPES, null),
    auto: query.get('auto') === '1',
  };
}

/** Once a person chose otherwise, a reload must not go back to what the address said. */
export function dropFromAddress(name: 'model' | 'attention' | 'cacheDtype'): void {
  const url = new URL(location.href);
  if (!url.searchParams.has(name)) return;
  url.searchParams.delete(name);
  history.replaceState(history.state, '', url);
}

export function conversationHref(id: string): string {
  return `#/${id}`;
}

export function conversationInAddress(): string | null {
  return /^#\/([\w-]+)$/.exec(location.hash)?.[1] ?? null;
}

/** @param replace for a conversation that has just begun: going back leads to what was before it, not to an empty page */
export function writeConversation(id: string | null, replace = false): void {
  if (id === conversationInAddress()) return;
  const url = new URL(location.href);
  url.hash = id === null ? '' : conversationHref(id);
  if (replace) history.replaceState(null, '', url);
  else history.pushState(null, '', url);
}

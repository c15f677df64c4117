import type { Signal } from '@preact/signals';
import { kept } from '../kept.ts';
import { listOf, textOr } from '../plain_data.ts';
import { parseLoadOptions } from './load_options.ts';
import { EMBEDDED, parseKey, sameModel } from '../model_choice.ts';
import type { ModelKey } from '../model_choice.ts';
import { parseSampling } from './sampling_settings.ts';

const MOST_RECENT = 8;

/** What a person chose, kept from visit to visit. New conversations begin with it. */
export const preferences = {
  loadOptions: kept('load-options', parseLoadOptions),
  sampling: kept('sampling', parseSampling),
  system: kept('system', (stored) => textOr(stored, '')),
  /** The model that the page opens with. */
  model: kept<ModelKey>('model', (stored) => parseKey(stored) ?? EMBEDDED),
  /** Other models than the embedded one, the latest first. */
  recentModels: kept('recent-models', (stored) =>
    listOf(stored)
      .map(parseKey)
      .filter((key) => key !== null)
      .slice(0, MOST_RECENT),
  ),
  /** The conversation that the page opens with when its address names none. */
  conversation: kept('conversation', (stored) => textOr(stored, null)),
  /**
   * True from the beginning of a load to its end. Still true when the page opens: the last load took the tab with it, or the
   * tab was closed; a model that may have crashed it is not loaded again without being asked.
   */
  loadUnfinished: kept('load-unfinished', (stored) => stored === true),
} satisfies Record<string, Signal<unknown>>;

export function rememberUsed(key: ModelKey): void {
  if (key.kind === 'embedded') return;
  const others = preferences.recentModels.value.filter((other) => !sameModel(other, key));
  preferences.recentModels.value = [key, ...others].slice(0, MOST_RECENT);
}

export function forgetModel(key: ModelKey): void {
  preferences.recentModels.value = preferences.recentModels.value.filter((other) => !sameModel(other, key));
}

import type { Failure } from '../failure.ts';
import { CACHE_DTYPES } from '../forms.ts';
import { addressChoice, EMBEDDED } from '../model_choice.ts';
import type { ModelChoice } from '../model_choice.ts';
import { oneOf } from '../plain_data.ts';
import { FORMS, METHODS, parseConversion } from './convert_settings.ts';
import type { ConvertSettings } from './convert_settings.ts';

/** What the page's address asks for: ?model=, method=, form=, kvBudget=, cacheDtype=, refit=, calibrationTokens=, auto=1. */
export class ConvertAddress {
  readonly #query = new URLSearchParams(location.search);

  /** Work without a click and leave the result in globalThis.__result. */
  get auto(): boolean {
    return this.#query.get('auto') === '1';
  }

  get model(): ModelChoice {
    const model = this.#query.get('model') ?? '';
    return model === '' ? EMBEDDED : addressChoice(model);
  }

  /** @param otherwise for what is not in the address */
  settings(otherwise: ConvertSettings): ConvertSettings {
    return parseConversion(Object.fromEntries(this.#query), otherwise);
  }

  /** A value that cannot be meant: silently converting something else would be worse than not converting. */
  failure(): Failure | null {
    const among =
      (names: readonly string[]) =>
      (value: string): boolean =>
        oneOf(value, names, null) !== null;
    const between =
      (least: number, most: number) =>
      (value: string): boolean =>
        Number(value) > least && Number(value) <= most;
    const rules: readonly (readonly [string, (value: string) => boolean, string])[] = [
      ['method', among(METHODS), `one of ${METHODS.join(', ')}`],
      ['form', among(FORMS), `one of ${FORMS.join(', ')}`],
      ['kvBudget', between(0, 1), 'a number above 0, at most 1'],
      ['cacheDtype', among(CACHE_DTYPES), `one of ${CACHE_DTYPES.join(', ')}`],
      ['refit', among(['on', 'off']), 'on or off'],
      ['calibrationTokens', between(0, 1e6), 'a number of tokens'],
    ];
    for (const [name, fits, expected] of rules) {
      const value = this.#query.get(name);
      if (value !== null && !fits(value)) {
        const message = `${name}: expected ${expected}, got ${JSON.stringify(value.slice(0, 60))}`;
        return { code: 'bad_request', message, hint: 'It stands in the address of this page.' };
      }
    }
    return null;
  }
}

import { isShapeName, SHAPE_NAMES } from '../../measure.ts';
import type { Failure } from '../failure.ts';
import { ATTENTION_FORMS, CACHE_DTYPES, LATENT_FORMS, PREFILL_MATHS } from '../forms.ts';
import { oneOf } from '../plain_data.ts';
import { parseLengths, parseSettings } from './bench_settings.ts';
import type { BenchSettings } from './bench_settings.ts';

/**
 * What the page's address asks for: ?shape=, model=, attention=, form=, kvBudget=, cacheDtype=, contexts=, prefill=,
 * prefillMath=, auto=1.
 * features=ordinary says what holds anyway: the device is asked for no shader-f16 and for nothing experimental.
 */
export class BenchAddress {
  readonly #query = new URLSearchParams(location.search);

  /** Work without a click and leave the result in globalThis.__result. */
  get auto(): boolean {
    return this.#query.get('auto') === '1';
  }

  /** @param otherwise for what is not in the address */
  settings(otherwise: BenchSettings): BenchSettings {
    const model = this.#query.get('model') ?? '';
    const shape = this.#query.get('shape');
    const given = {
      ...Object.fromEntries(this.#query),
      ...(shape !== null && { subject: shape }),
      ...(model !== '' && { subject: 'address', address: model }),
    };
    return parseSettings(given, otherwise);
  }

  /** A value that cannot be meant: silently measuring something else would be worse than not measuring. */
  failure(): Failure | null {
    const rules: readonly (readonly [string, (value: string) => boolean, string])[] = [
      ['shape', isShapeName, `one of ${SHAPE_NAMES.join(', ')}`],
      ['attention', (value) => oneOf(value, ATTENTION_FORMS, null) !== null, ATTENTION_FORMS.join(' or ')],
      [
        'cacheDtype',
        (value) => oneOf(value, CACHE_DTYPES, null) !== null,
        `one of ${CACHE_DTYPES.join(', ')}`,
      ],
      ['prefillMath', (value) => oneOf(value, PREFILL_MATHS, null) !== null, PREFILL_MATHS.join(' or ')],
      ['features', (value) => value === 'ordinary', 'ordinary'],
      [
        'form',
        (value) => oneOf(value, LATENT_FORMS, null) !== null && this.#query.has('shape'),
        `one of ${LATENT_FORMS.join(', ')}, with a shape`,
      ],
      ['kvBudget', (value) => Number(value) > 0 && Number(value) <= 1, 'a share above 0, at most 1'],
      ['contexts', (value) => parseLengths(value) !== null, 'lengths with commas between them'],
      ['prefill', (value) => parseLengths(value) !== null, 'lengths with commas between them'],
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

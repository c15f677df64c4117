import { isShapeName, parseSetting, SHAPE_NAMES } from '../../measure.ts';
import type { Failure } from '../failure.ts';
import { FILLINGS, fieldsOfSettings, parseSettings, parseSwept } from './latency_settings.ts';
import type { LatencySettings } from './latency_settings.ts';

const KEYS = 'gqa-f16, exact-f16, reuse-0.5-f16, recon-0.25-int4, ...';

type Rule = readonly [name: string, fits: (value: string) => boolean, expected: string];

const isNumber = (value: string): boolean => value.trim() !== '' && Number(value) >= 0;
const isSetting = (value: string): boolean => parseSetting(value) !== null;

const RULES: readonly Rule[] = [
  ['shape', isShapeName, `one of ${SHAPE_NAMES.join(', ')}`],
  ['settings', (value) => parseSwept(value) !== null, `settings with commas between them: ${KEYS}`],
  ['left', isSetting, `a setting: ${KEYS}`],
  ['right', isSetting, `a setting: ${KEYS}`],
  ['longest', (value) => Number(value) >= 2, 'a number of tokens'],
  ['tokens', (value) => Number(value) >= 1, 'a number of tokens'],
  ['temperature', isNumber, 'a number'],
  ['seed', isNumber, 'a number'],
  ['filled', (value) => FILLINGS.some((one) => one === value), FILLINGS.join(' or ')],
];

/** What the page's address asks for: the fields of the forms under their names, ?shape=, ?model=, ?auto=1. */
export class LatencyAddress {
  readonly #query = new URLSearchParams(location.search);

  /** Work without a click and leave the result in globalThis.__result. */
  get auto(): boolean {
    return this.#query.get('auto') === '1';
  }

  settings(otherwise: LatencySettings): LatencySettings {
    return parseSettings(Object.fromEntries(this.#query), otherwise);
  }

  /** A value that cannot be meant: silently measuring something else would be worse than not measuring. */
  failure(): Failure | null {
    for (const [name, fits, expected] of RULES) {
      const value = this.#query.get(name);
      if (value !== null && !fits(value)) {
        const message = `${name}: expected ${expected}, got ${JSON.stringify(value.slice(0, 60))}`;
        return { code: 'bad_request', message, hint: 'It stands in the address of this page.' };
      }
    }
    return null;
  }
}

const SWEEP_FIELDS = ['subject', 'model', 'settings', 'longest', 'filled', 'quality'];

/** The address under which the page has the same sweep again. */
export function permalink(settings: LatencySettings): string {
  const url = new URL(location.pathname, location.href);
  const fields = Object.entries(fieldsOfSettings(settings)).filter(([name]) => SWEEP_FIELDS.includes(name));
  // Commas may stand as they are, and can then be read.
  url.search = new URLSearchParams(fields).toString().replaceAll('%2C', ',');
  return url.href;
}

import { WebMlaError } from '../core/errors.ts';
import type { JsonObject } from './json_source.ts';
import { printable } from './printable.ts';

/**
 * Typed access to the fields of a configuration. null counts as absent, as in transformers. In a lenient reading, for
 * architectures that are only inspected, a missing or senseless number is 0 instead of an error.
 */
export class ConfigFields {
  readonly raw: JsonObject;
  readonly #file: string;
  readonly #lenient: boolean;

  /** @param file for messages */
  constructor(raw: JsonObject, file: string, lenient = false) {
    this.raw = raw;
    this.#file = file;
    this.#lenient = lenient;
  }

  has(key: string): boolean {
    return this.raw[key] !== undefined && this.raw[key] !== null;
  }

  /** A whole number from 1 to 2^31 - 1. */
  count(key: string, fallback?: number): number {
    return this.#read(
      key,
      fallback,
      'a positive whole number',
      (x) => Number.isInteger(x) && x >= 1 && x < 2 ** 31,
    );
  }

  /** A finite number above 0. */
  positive(key: string, fallback?: number): number {
    return this.#read(key, fallback, 'a positive number', (x) => Number.isFinite(x) && x > 0);
  }

  flag(key: string, fallback: boolean): boolean {
    const value = this.raw[key];
    return typeof value === 'boolean' ? value : fallback;
  }

  text(key: string, fallback: string): string {
    const value = this.raw[key];
    return typeof value === 'string' ? value : fallback;
  }

  /** A token id, a list of them or null: always a list. What is not an id is left out. */
  ids(key: string): readonly number[] {
    const value = this.raw[key];
    const list: readonly unknown[] = Array.isArray(value) ? value : [value];
    return list.filter((id): id is number => typeof id === 'number' && Number.isInteger(id) && id >= 0);
  }

  /** @returns never: throws WebMlaError `bad_file`, or `unsupported` when the field is sound but not for us */
  refuse(key: string, expected: string, code: 'bad_file' | 'unsupported' = 'bad_file', hint = ''): never {
    throw new WebMlaError(
      code,
      `${this.#file}: ${key}: expected ${expected}, got ${printable(this.raw[key])}`,
      hint,
      { key },
    );
  }

  #read(key: string, fallback: number | undefined, expected: string, sound: (x: number) => boolean): number {
    const value = this.raw[key];
    if (value === undefined || value === null) {
      if (fallback !== undefined) return fallback;
    } else if (typeof value === 'number' && sound(value)) {
      return value;
    }
    if (this.#lenient) return fallback ?? 0;
    return this.refuse(key, expected);
  }
}

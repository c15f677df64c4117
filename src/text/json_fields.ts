import { WebMlaError } from '../core/errors.ts';

/** Typed reading of fields out of JSON that somebody else wrote. `thing` names the place: 'tokenizer.json: model.vocab'. */

export type JsonObject = Readonly<Record<string, unknown>>;

/** What a value is, short enough for a message. */
export function describeValue(value: unknown): string {
  if (value === undefined) return 'nothing';
  if (value === null) return 'null';
  if (Array.isArray(value)) return `a list of ${value.length}`;
  if (typeof value === 'object') return 'an object';
  if (typeof value === 'number' || typeof value === 'bigint' || typeof value === 'boolean')
    return String(value);
  if (typeof value !== 'string') return `a ${typeof value}`;
  const text = JSON.stringify(value);
  return text.length > 60 ? `${text.slice(0, 57)}...` : text;
}

/** @throws never: makes the `bad_file` error for the caller to throw */
export function badField(thing: string, expected: string, value: unknown): WebMlaError {
  return new WebMlaError(
    'bad_file',
    `${thing}: expected ${expected}, got ${describeValue(value)}`,
    'The file is damaged or was not made by Hugging Face tokenizers. Download it again.',
  );
}

/** @throws never: makes the `unsupported` error for the caller to throw */
export function unsupportedField(thing: string, expected: string, value: unknown): WebMlaError {
  return new WebMlaError(
    'unsupported',
    `${thing}: expected ${expected}, got ${describeValue(value)}`,
    'The model needs text processing that webmla does not have. Token ids can still be given directly.',
  );
}

export function isObject(value: unknown): value is JsonObject {
  return typeof value === 'object' && value !== null && !Array.isArray(value);
}

/** @throws bad_file */
export function asObject(value: unknown, thing: string): JsonObject {
  if (!isObject(value)) throw badField(thing, 'an object', value);
  return value;
}

/** @throws bad_file */
export function asList(value: unknown, thing: string): readonly unknown[] {
  if (!Array.isArray(value)) throw badField(thing, 'a list', value);
  return value;
}

/** @throws bad_file */
export function asString(value: unknown, thing: string): string {
  if (typeof value !== 'string') throw badField(thing, 'a string', value);
  return value;
}

/** null and a missing field mean `fallback`. @throws bad_file */
export function asBoolean(value: unknown, fallback: boolean, thing: string): boolean {
  if (value === undefined || value === null) return fallback;
  if (typeof value !== 'boolean') throw badField(thing, 'true or false', value);
  return value;
}

/** More than any vocabulary has; an array with holes up to 2^32 would take minutes to walk. */
const MAX_TOKEN_ID = 2 ** 24;

/** A token id: a whole number from 0. GGUF readers may give a bigint. @throws bad_file */
export function asTokenId(value: unknown, thing: string): number {
  const id = typeof value === 'bigint' ? Number(value) : value;
  if (typeof id !== 'number' || !Number.isInteger(id) || id < 0 || id > MAX_TOKEN_ID) {
    throw badField(thing, `a token id (0 to ${MAX_TOKEN_ID})`, value);
  }
  return id;
}

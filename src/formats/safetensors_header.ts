import { WebMlaError } from '../core/errors.ts';
import { isJsonObject } from './json_source.ts';

/**
 * Takes the JSON of a safetensors header apart, field by field, where JSON.parse of the whole could not tell that a name
 * comes twice (the format forbids it, JSON.parse keeps the last) and would make 300 MB of empty lists from 25 MB of "[],".
 * Here only one field at a time is parsed, and a field that is longer than a tensor needs is not parsed at all.
 */

const MAX_TENSORS = 100_000;
/** The fields of one tensor as text. 16 dimensions of 16 digits and two offsets take 400. */
const MAX_FIELD_CHARS = 1000;
const MAX_METADATA = 10_000;
const MAX_NAME_CHARS = 500;
const SPACE: ReadonlySet<string> = new Set([' ', '\t', '\n', '\r']);
export const METADATA = '__metadata__';

/**
 * @param text the header, an object of objects
 * @param file for messages
 * @returns name and fields, in the order of the file
 * @throws WebMlaError `bad_file`
 */
export function* headerFields(text: string, file: string): Generator<readonly [string, HeaderField]> {
  const cursor = new JsonCursor(text, file);
  const names = new Set<string>();
  // The format allows space after the object, for alignment, and none before it.
  if (!text.startsWith('{'))
    throw cursor.bad(`a header that begins with {, got ${JSON.stringify(text.slice(0, 30))}`);
  cursor.expect('{');
  if (cursor.take('}')) return cursor.expectEnd();
  do {
    const name = cursor.string();
    if (name.length > MAX_NAME_CHARS)
      throw cursor.bad(`names of at most ${MAX_NAME_CHARS} characters, got ${name.length}`);
    if (names.has(name)) throw cursor.bad(`each name once, got "${name}" twice`);
    if (names.size > MAX_TENSORS) throw cursor.bad(`at most ${MAX_TENSORS} tensors, got more`);
    names.add(name);
    cursor.expect(':');
    yield [name, cursor.object(name)];
  } while (cursor.take(','));
  cursor.expect('}');
  cursor.expectEnd();
}

export type HeaderField = Readonly<Record<string, unknown>>;

class JsonCursor {
  readonly #text: string;
  readonly #file: string;
  #at = 0;

  constructor(text: string, file: string) {
    this.#text = text;
    this.#file = file;
  }

  /** Goes past the character if it comes next, after space. */
  take(character: string): boolean {
    this.#skipSpace();
    if (this.#text[this.#at] !== character) return false;
    this.#at++;
    return true;
  }

  expect(character: string): void {
    if (!this.take(character)) throw this.bad(`${character} in the JSON of the header, got ${this.#rest()}`);
  }

  expectEnd(): void {
    this.#skipSpace();
    if (this.#at < this.#text.length) throw this.bad(`the end of the header, got ${this.#rest()}`);
  }

  string(): string {
    this.#skipSpace();
    const start = this.#at;
    if (this.#text[start] !== '"') throw this.bad(`a name in the header, got ${this.#rest()}`);
    this.#skipString();
    const quoted = this.#text.slice(start, this.#at);
    return quoted.includes('\\') ? String(this.#parse(quoted)) : quoted.slice(1, -1);
  }

  /** An object without objects in it, as a tensor and __metadata__ are; of the latter the values must be texts. */
  object(name: string): HeaderField {
    this.#skipSpace();
    const start = this.#at;
    const metadata = name === METADATA;
    let depth = 0;
    let commas = 0;
    do {
      const character = this.#text[this.#at];
      if (character === undefined) throw this.bad(`the fields of ${name}, got the end of the header`);
      if (character === '"') {
        this.#skipString();
        continue;
      }
      if (character === '{' || character === '[') depth++;
      if (character === '}' || character === ']') depth--;
      if (character === ',' && depth === 1) commas++;
      if (depth === 0 && (this.#at === start || this.#text[start] !== '{')) {
        throw this.bad(`an object of ${name}, got ${this.#rest(start)}`);
      }
      if (metadata && depth > 1) throw this.bad(`texts in ${METADATA}, got ${this.#rest()}`);
      if (metadata ? commas > MAX_METADATA : this.#at - start > MAX_FIELD_CHARS) {
        throw this.bad(`the fields of ${name}, got far more than they need`);
      }
      this.#at++;
    } while (depth > 0);
    const value = this.#parse(this.#text.slice(start, this.#at));
    if (!isJsonObject(value)) throw this.bad(`an object of ${name}, got ${this.#rest(start)}`);
    if (commas > 0 && Object.keys(value).length !== commas + 1)
      throw this.bad(`each field of ${name} once, got one twice`);
    return value;
  }

  bad(expected: string, cause?: unknown): WebMlaError {
    return new WebMlaError(
      'bad_file',
      `${this.#file}: expected ${expected}`,
      'The file is damaged, cut short, or not a safetensors file. Download it again.',
      {},
      cause,
    );
  }

  #skipSpace(): void {
    while (SPACE.has(this.#text[this.#at] ?? '')) this.#at++;
  }

  /** From the opening quote to behind the closing one. */
  #skipString(): void {
    let end = this.#at;
    let backslashes: number;
    do {
      end = this.#text.indexOf('"', end + 1);
      if (end < 0) throw this.bad('a closed string in the header, got its end');
      backslashes = 0;
      while (this.#text[end - 1 - backslashes] === '\\') backslashes++;
    } while (backslashes % 2 === 1);
    this.#at = end + 1;
  }

  #parse(json: string): unknown {
    try {
      return JSON.parse(json);
    } catch (error) {
      throw this.bad(`JSON in the header, got ${JSON.stringify(json.slice(0, 100))}`, error);
    }
  }

  #rest(from = this.#at): string {
    const rest = this.#text.slice(from, from + 30);
    return rest === '' ? 'its end' : JSON.stringify(rest);
  }
}

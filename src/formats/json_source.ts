import { WebMlaError } from '../core/errors.ts';
import type { ByteSource } from './byte_source.ts';

/** tokenizer.json of a vocabulary of 262,144 has 33 MB; far more is not a file for a browser. */
const MAX_TEXT_BYTES = 128 * 2 ** 20;

export type JsonObject = Readonly<Record<string, unknown>>;

export function isJsonObject(value: unknown): value is JsonObject {
  return typeof value === 'object' && value !== null && !Array.isArray(value);
}

/** Whole source as text. @throws WebMlaError `bad_file` above 128 MiB or when it is not UTF-8 */
export async function readText(source: ByteSource, signal?: AbortSignal): Promise<string> {
  if (source.size > MAX_TEXT_BYTES) {
    throw new WebMlaError(
      'bad_file',
      `${source.name}: expected a text of at most ${MAX_TEXT_BYTES} bytes, got ${source.size}`,
    );
  }
  const bytes = await source.read(0, source.size, signal);
  try {
    return new TextDecoder('utf-8', { fatal: true }).decode(bytes);
  } catch (error) {
    throw new WebMlaError('bad_file', `${source.name}: expected UTF-8 text, got other bytes`, '', {}, error);
  }
}

/** Whole source as JSON. @throws WebMlaError `bad_file` */
export async function readJson(source: ByteSource, signal?: AbortSignal): Promise<unknown> {
  const text = await readText(source, signal);
  try {
    return JSON.parse(text);
  } catch (error) {
    throw new WebMlaError(
      'bad_file',
      `${source.name}: expected JSON, got text that begins ${JSON.stringify(text.slice(0, 40))}`,
      'The download was perhaps an error page, or the file is damaged.',
      {},
      error,
    );
  }
}

/** Like readJson. @throws WebMlaError `bad_file` also when the text is not a JSON object */
export async function readJsonObject(source: ByteSource, signal?: AbortSignal): Promise<JsonObject> {
  const value = await readJson(source, signal);
  if (isJsonObject(value)) return value;
  throw new WebMlaError(
    'bad_file',
    `${source.name}: expected a JSON object, got ${JSON.stringify(value).slice(0, 60)}`,
  );
}

import { WebMlaError } from '../core/errors.ts';
import type { ByteSource } from './byte_source.ts';
import type { ModelFiles } from './model_files.ts';
import { isUnreachable, openStoredHttp } from './stored_http.ts';
import type { StoredHttpOptions } from './stored_http.ts';

/**
 * The files below an http(s) address: of a folder in Hugging Face layout, of a .gguf, or of a .safetensors beside its
 * config.json. A query (a signature, say) goes with every request. Beside a .gguf nothing is looked for but its other
 * parts: it says everything itself.
 */
export function filesOfUrl(url: URL, options: StoredHttpOptions): ModelFiles {
  const file = /[^/]+\.(?:gguf|safetensors)$/.exec(decodedPath(url))?.[0] ?? null;
  const folder = new URL(url);
  if (file === null && !folder.pathname.endsWith('/')) folder.pathname += '/';
  return new UrlFiles(folder, file, options);
}

/** The path as text; as it stands when it is not well-formed. */
export function decodedPath(url: URL): string {
  try {
    return decodeURIComponent(url.pathname);
  } catch {
    return url.pathname;
  }
}

class UrlFiles implements ModelFiles {
  readonly name: string;
  readonly ggufPath: string | null;
  readonly safetensorsPath: string | null;
  readonly #folder: URL;
  readonly #options: StoredHttpOptions;
  /** A file came from the store because the server could not be reached. */
  #offline = false;
  /** A file came from the server. */
  #reached = false;

  constructor(folder: URL, file: string | null, options: StoredHttpOptions) {
    this.#folder = folder;
    this.#options = options;
    this.name = file ?? folder.pathname.split('/').findLast((part) => part !== '') ?? folder.host;
    this.ggufPath = file?.endsWith('.gguf') ? file : null;
    this.safetensorsPath = file?.endsWith('.safetensors') ? file : null;
  }

  async open(path: string, signal?: AbortSignal): Promise<ByteSource | null> {
    if (this.ggufPath !== null && !path.endsWith('.gguf')) return null;
    const url = new URL(path.split('/').map(encodeURIComponent).join('/'), this.#folder);
    url.search = this.#folder.search;
    try {
      const opened = await openStoredHttp(url.href, path, null, withSignal(this.#options, signal));
      this.#offline ||= opened.offline;
      this.#reached ||= !opened.offline;
      return opened.source;
    } catch (error) {
      if (this.#isAbsent(error)) return null;
      throw error;
    }
  }

  #isAbsent(error: unknown): boolean {
    if (!(error instanceof WebMlaError)) return false;
    if (error.code === 'missing_file') return true;
    // Offline, what was not stored when the model was first opened was not there.
    if (this.#offline && isUnreachable(error)) return true;
    // Object stores answer 403 for what does not exist to those who may not list it.
    return this.#reached && error.details['status'] === 403;
  }
}

/** Ends with the caller's signal, too. */
export function withSignal(options: StoredHttpOptions, signal: AbortSignal | undefined): StoredHttpOptions {
  if (!signal || signal === options.signal) return options;
  return { ...options, signal: options.signal ? AbortSignal.any([options.signal, signal]) : signal };
}

import { throwIfAborted, WebMlaError } from '../core/errors.ts';
import type { ErrorDetails } from '../core/errors.ts';

export interface HttpOptions {
  /** Default: the global fetch. */
  readonly fetch?: typeof fetch;
  readonly headers?: Readonly<Record<string, string>>;
  /** Ends everything that was opened with these options. */
  readonly signal?: AbortSignal;
  /** Silence of the server, in ms, after which a connection counts as dead. Default 30,000. */
  readonly idleMs?: number;
  /** Times that a failed request is made again. Default 4. */
  readonly retries?: number;
  /** Pause before the first repetition, in ms; it doubles each time. Default 300. */
  readonly retryDelayMs?: number;
}

const DEFAULT_IDLE_MS = 30_000;

/** An answer whose body is read under a watchdog: a server that falls silent is an error, not a hang. */
export class HttpAnswer {
  readonly url: string;
  readonly response: Response;
  readonly #watchdog: Watchdog;

  constructor(url: string, response: Response, watchdog: Watchdog) {
    this.url = url;
    this.response = response;
    this.#watchdog = watchdog;
  }

  get status(): number {
    return this.response.status;
  }

  header(name: string): string | null {
    return this.response.headers.get(name);
  }

  /**
   * The body as it comes. Leaving the loop early ends the connection.
   * @throws WebMlaError `network` (repeatable) when it is cut or falls silent, `aborted`
   */
  async *chunks(): AsyncGenerator<Uint8Array<ArrayBuffer>, void, undefined> {
    const reader = this.response.body?.getReader();
    if (!reader) return this.#watchdog.end();
    try {
      while (true) {
        const { done, value } = await this.#watchdog.watch(reader.read());
        if (done) return;
        yield value;
      }
    } finally {
      this.#watchdog.end();
      reader.cancel().catch(() => undefined);
    }
  }

  /** Ends the connection; the body is not wanted. */
  cancel(): void {
    this.#watchdog.end();
    this.response.body?.cancel().catch(() => undefined);
  }
}

/**
 * GET, redirects followed. Any status is an answer.
 * @throws WebMlaError `network` (repeatable) when no answer comes, `aborted`
 */
export async function httpGet(
  url: string,
  headers: Readonly<Record<string, string>>,
  options: HttpOptions,
  signal?: AbortSignal,
): Promise<HttpAnswer> {
  const watchdog = new Watchdog(url, options.idleMs ?? DEFAULT_IDLE_MS, [options.signal, signal]);
  const request = (options.fetch ?? globalThis.fetch).bind(globalThis);
  const response = await watchdog.watch(
    // no-store: a second copy of a model in the browser's cache helps nobody, and checks must see the server.
    request(url, { headers: { ...options.headers, ...headers }, signal: watchdog.signal, cache: 'no-store' }),
  );
  return new HttpAnswer(url, response, watchdog);
}

/** Lets a promise fail when the caller's signals fire or nothing happens for too long. */
class Watchdog {
  readonly #url: string;
  readonly #idleMs: number;
  readonly #controller = new AbortController();
  readonly #sources: readonly AbortSignal[];
  readonly #onAbort = (): void => this.#controller.abort();

  constructor(url: string, idleMs: number, sources: readonly (AbortSignal | undefined)[]) {
    this.#url = url;
    this.#idleMs = idleMs;
    this.#sources = sources.filter((source) => source !== undefined);
    for (const source of this.#sources) {
      throwIfAborted(source);
      source.addEventListener('abort', this.#onAbort);
    }
  }

  get signal(): AbortSignal {
    return this.#controller.signal;
  }

  async watch<T>(work: Promise<T>): Promise<T> {
    let timer: ReturnType<typeof setTimeout> | undefined;
    let onAbort: (() => void) | undefined;
    const alarm = new Promise<never>((_, reject) => {
      onAbort = () => reject(new WebMlaError('aborted', 'The operation was cancelled.'));
      this.signal.addEventListener('abort', onAbort);
      if (this.signal.aborted) onAbort();
      timer = setTimeout(() => reject(silence(this.#url, this.#idleMs)), this.#idleMs);
    });
    try {
      return await Promise.race([work, alarm]);
    } catch (error) {
      // The loser of the race must not become an unhandled rejection.
      work.catch(() => undefined);
      const aborted = this.#sources.some((source) => source.aborted);
      this.end();
      this.#controller.abort();
      if (aborted) throw new WebMlaError('aborted', 'The operation was cancelled.', '', {}, error);
      throw error instanceof WebMlaError ? error : networkError(this.#url, reason(error), error);
    } finally {
      clearTimeout(timer);
      if (onAbort) this.signal.removeEventListener('abort', onAbort);
    }
  }

  /** Lets go of the caller's signals. */
  end(): void {
    for (const source of this.#sources) source.removeEventListener('abort', this.#onAbort);
  }
}

function silence(url: string, ms: number): WebMlaError {
  return networkError(url, `no bytes for ${ms / 1000} s`, undefined, { silent: true });
}

/** A failure of the connection: worth another try. */
export function networkError(
  url: string,
  got: string,
  cause?: unknown,
  details: ErrorDetails = {},
): WebMlaError {
  return new WebMlaError(
    'network',
    `${url}: expected bytes from the server, got ${got}`,
    'Check the connection and the address. In a browser the server must also allow other sites to read it (CORS).',
    { ...details, repeatable: true },
    cause,
  );
}

/** Node hides the reason ("ECONNREFUSED") in the cause of "fetch failed". */
function reason(error: unknown): string {
  if (!(error instanceof Error)) return String(error);
  const { cause } = error;
  if (cause instanceof Error && cause.message !== '') return `${error.message}: ${cause.message}`;
  return error.message;
}

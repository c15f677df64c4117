import { WebMlaError } from '../core/errors.ts';
import type { HttpOptions } from './http_answer.ts';

const DEFAULT_RETRIES = 4;
const DEFAULT_DELAY_MS = 300;
const LONGEST_DELAY_MS = 10_000;
/** Bytes that make up for earlier failures. Fewer, and a server that cuts after each kilobyte would keep us for hours. */
const PROGRESS_BYTES = 65_536;

/** Decides after each failure of a request whether to wait and try again. */
export class Patience {
  readonly #options: HttpOptions;
  #failures = 0;
  #silences = 0;
  #bytes = 0;

  constructor(options: HttpOptions) {
    this.#options = options;
  }

  /** Bytes came. */
  progress(bytes: number): void {
    this.#bytes += bytes;
    if (this.#bytes < PROGRESS_BYTES) return;
    this.#bytes = 0;
    this.#failures = 0;
  }

  /**
   * Waits when another try makes sense.
   * @throws the error when it does not, or the tries are used up; WebMlaError `aborted` when a signal fires meanwhile
   */
  async afterFailure(error: unknown, signal?: AbortSignal): Promise<void> {
    const details = error instanceof WebMlaError ? error.details : {};
    if (details['repeatable'] !== true) throw error;
    if (++this.#failures > (this.#options.retries ?? DEFAULT_RETRIES)) throw error;
    // Half a minute of silence twice is enough.
    if (details['silent'] === true && ++this.#silences > 1) throw error;
    const pause = (this.#options.retryDelayMs ?? DEFAULT_DELAY_MS) * 2 ** (this.#failures - 1);
    const asked = typeof details['retryAfterMs'] === 'number' ? details['retryAfterMs'] : 0;
    await sleep(Math.min(LONGEST_DELAY_MS, Math.max(pause, asked)), [this.#options.signal, signal]);
  }
}

function sleep(ms: number, signals: readonly (AbortSignal | undefined)[]): Promise<void> {
  return new Promise((resolve, reject) => {
    const onAbort = (): void => finish(new WebMlaError('aborted', 'The operation was cancelled.'));
    const timer = setTimeout(() => finish(), ms);
    const finish = (error?: WebMlaError): void => {
      clearTimeout(timer);
      for (const signal of signals) signal?.removeEventListener('abort', onAbort);
      if (error) reject(error);
      else resolve();
    };
    for (const signal of signals) signal?.addEventListener('abort', onAbort);
    if (signals.some((signal) => signal?.aborted)) onAbort();
  });
}

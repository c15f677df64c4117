import { WebMlaError } from '../core/errors.ts';
import type { ModelSource } from '../runtime/types.ts';
import { READY } from './messages.ts';

/** Milliseconds after which a worker that says nothing counts as one that could not be loaded. */
const START_MS = 20_000;

/** The worker's script could not be loaded, so that nothing was tried yet. */
export class WorkerStartError extends WebMlaError {}

/**
 * Until its script has run.
 * @param entry what a bundler knows the script by
 * @throws WorkerStartError
 */
export function started(worker: Worker, entry: string): Promise<void> {
  return new Promise((resolve, reject) => {
    const fail = (why: string): void =>
      reject(
        new WorkerStartError(
          'internal',
          `worker: expected it to start, got: ${why}`,
          `Your bundler must emit the file ${entry}; see "Bundlers" in the README, or pass worker: false.`,
        ),
      );
    const timer = setTimeout(() => fail(`nothing within ${START_MS / 1000} s`), START_MS);
    const settle = (): void => {
      clearTimeout(timer);
      worker.removeEventListener('message', onMessage);
      worker.removeEventListener('error', onError);
    };
    const onMessage = ({ data }: MessageEvent<unknown>): void => {
      if (data !== READY) return;
      settle();
      resolve();
    };
    const onError = (event: ErrorEvent): void => {
      event.preventDefault();
      settle();
      fail(event.message || 'its script did not load');
    };
    worker.addEventListener('message', onMessage);
    worker.addEventListener('error', onError);
  });
}

/** Resolves when the running worker throws outside of any call. */
export function crashOf(worker: Worker): Promise<WebMlaError> {
  return new Promise((resolve) => {
    worker.addEventListener('error', (event) => {
      resolve(
        new WebMlaError('internal', `worker: it stopped with: ${event.message}`, 'Create the engine again.'),
      );
    });
  });
}

/** A URL object cannot be cloned; its text can. */
export function sendable<T extends { readonly model: ModelSource }>(options: T): T {
  return options.model instanceof URL ? { ...options, model: options.model.href } : options;
}

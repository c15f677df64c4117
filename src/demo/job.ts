import type { Failure } from './failure.ts';

/** Work in a worker of its own: a request, progress, and a result or a failure. See job_worker.ts. */

/** What goes to a worker and what comes back, for one kind of job. */
export interface Job {
  readonly request: unknown;
  readonly progress: unknown;
  readonly result: unknown;
}

export type ToJob<J extends Job> =
  | { readonly type: 'run'; readonly request: J['request'] }
  | { readonly type: 'cancel' };

export type FromJob<J extends Job> =
  | { readonly type: 'progress'; readonly progress: J['progress'] }
  | { readonly type: 'done'; readonly result: J['result'] }
  | { readonly type: 'failed'; readonly failure: Failure };

export type Outcome<Result> =
  | { readonly kind: 'done'; readonly result: Result }
  | { readonly kind: 'failed'; readonly failure: Failure };

/** So long a cancelled job may take to free the GPU; then it is ended. */
const GRACE_MS = 3000;

const CANCELLED: Failure = { code: 'aborted', message: 'The operation was cancelled.', hint: '' };

/** The worker is ended in any case: what it held goes with it. Never rejects. */
export async function runJob<J extends Job>(
  worker: Worker,
  request: J['request'],
  onProgress: (progress: J['progress']) => void,
  signal: AbortSignal,
): Promise<Outcome<J['result']>> {
  const jobs = new JobWorker<J>(() => worker);
  const outcome = await jobs.run(request, onProgress, signal);
  jobs.end();
  return outcome;
}

/** Jobs one after another in a worker that keeps what it learned. One that does not answer is ended, and the next job starts another. */
export class JobWorker<J extends Job> {
  readonly #start: () => Worker;
  #worker: Worker | null = null;

  constructor(start: () => Worker) {
    this.#start = start;
  }

  /** False: what it learned is lost. */
  get alive(): boolean {
    return this.#worker !== null;
  }

  /** Not before the last one has ended. Never rejects. */
  run(
    request: J['request'],
    onProgress: (progress: J['progress']) => void,
    signal: AbortSignal,
  ): Promise<Outcome<J['result']>> {
    const worker = (this.#worker ??= this.#start());
    return new Promise((resolve) => {
      let grace: ReturnType<typeof setTimeout> | undefined;
      const listening = new AbortController();
      const end = (outcome: Outcome<J['result']>): void => {
        clearTimeout(grace);
        listening.abort();
        resolve(
          signal.aborted && outcome.kind === 'failed' ? { kind: 'failed', failure: CANCELLED } : outcome,
        );
      };
      const fail = (failure: Failure): void => {
        this.end();
        end({ kind: 'failed', failure });
      };
      // oxlint-disable-next-line require-post-message-target-origin -- a worker has none
      const send = (message: ToJob<J>): void => worker.postMessage(message);
      const until = { signal: listening.signal };
      const take = ({ data }: MessageEvent<FromJob<J>>): void => {
        if (data.type === 'progress') onProgress(data.progress);
        else if (data.type === 'done') end({ kind: 'done', result: data.result });
        else end({ kind: 'failed', failure: data.failure });
      };
      worker.addEventListener('message', take, until);
      const onError = (event: ErrorEvent): void => {
        event.preventDefault();
        const message = `worker: ${event.message || 'its script did not load'}`;
        fail({ code: 'internal', message, hint: 'Reload the page.' });
      };
      worker.addEventListener('error', onError, until);
      const onAbort = (): void => {
        send({ type: 'cancel' });
        grace = setTimeout(() => fail(CANCELLED), GRACE_MS);
      };
      signal.addEventListener('abort', onAbort, until);
      send({ type: 'run', request });
    });
  }

  /** What the worker held goes with it. */
  end(): void {
    this.#worker?.terminate();
    this.#worker = null;
  }
}

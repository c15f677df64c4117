import type { Failure } from './failure.ts';

/** One piece of work in a worker of its own: a request, progress, and a result or a failure. See job_worker.ts. */

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
export function runJob<J extends Job>(
  worker: Worker,
  request: J['request'],
  onProgress: (progress: J['progress']) => void,
  signal: AbortSignal,
): Promise<Outcome<J['result']>> {
  return new Promise((resolve) => {
    let grace: ReturnType<typeof setTimeout> | undefined;
    const end = (outcome: Outcome<J['result']>): void => {
      clearTimeout(grace);
      worker.terminate();
      resolve(signal.aborted && outcome.kind === 'failed' ? { kind: 'failed', failure: CANCELLED } : outcome);
    };
    // oxlint-disable-next-line require-post-message-target-origin -- a worker has none
    const send = (message: ToJob<J>): void => worker.postMessage(message);
    worker.addEventListener('message', ({ data }: MessageEvent<FromJob<J>>) => {
      if (data.type === 'progress') onProgress(data.progress);
      else if (data.type === 'done') end({ kind: 'done', result: data.result });
      else end({ kind: 'failed', failure: data.failure });
    });
    worker.addEventListener('error', (event) => {
      event.preventDefault();
      const message = `worker: ${event.message || 'its script did not load'}`;
      end({ kind: 'failed', failure: { code: 'internal', message, hint: 'Reload the page.' } });
    });
    signal.addEventListener('abort', () => {
      send({ type: 'cancel' });
      grace = setTimeout(() => end({ kind: 'failed', failure: CANCELLED }), GRACE_MS);
    });
    send({ type: 'run', request });
  });
}

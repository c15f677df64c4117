import { failureOf } from './failure.ts';
import type { FromJob, ToJob } from './job.ts';

/** Makes this worker do one job when it is told to. */
export function serveJob<Request, Progress, Result>(
  work: (request: Request, onProgress: (progress: Progress) => void, signal: AbortSignal) => Promise<Result>,
): void {
  const controller = new AbortController();
  const send = (message: FromJob<Progress, Result>): void => postMessage(message);
  const run = async (request: Request): Promise<void> => {
    try {
      const result = await work(
        request,
        (progress) => send({ type: 'progress', progress }),
        controller.signal,
      );
      send({ type: 'done', result });
    } catch (error) {
      send({ type: 'failed', failure: failureOf(error) });
    }
  };
  addEventListener('message', ({ data }: MessageEvent<ToJob<Request>>) => {
    if (data.type === 'cancel') controller.abort();
    else void run(data.request);
  });
}

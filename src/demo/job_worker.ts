import { failureOf } from './failure.ts';
import type { FromJob, Job, ToJob } from './job.ts';

/** Makes this worker do jobs when it is told to, one at a time. */
export function serveJob<J extends Job>(
  work: (
    request: J['request'],
    onProgress: (progress: J['progress']) => void,
    signal: AbortSignal,
  ) => Promise<J['result']>,
): void {
  let controller = new AbortController();
  const send = (message: FromJob<J>): void => postMessage(message);
  const run = async (request: J['request']): Promise<void> => {
    controller = new AbortController();
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
  addEventListener('message', ({ data }: MessageEvent<ToJob<J>>) => {
    if (data.type === 'cancel') controller.abort();
    else void run(data.request);
  });
}

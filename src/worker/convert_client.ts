import { asWebMlaError, throwIfAborted, WebMlaError } from '../core/errors.ts';
import type { ConvertedFiles } from '../runtime/convert_files.ts';
import type { LoadProgress } from '../runtime/types.ts';
import type { ConvertTask, FromConverter } from './convert_protocol.ts';
import { crashOf, sendable, started } from './started_worker.ts';

/**
 * Converts in a worker and ends it: its memory and its GPU device go with it, also when it is cancelled in the middle.
 * @throws WebMlaError as convertModelSource does; WorkerStartError when the script did not load
 */
export async function convertInWorker(
  worker: Worker,
  task: ConvertTask,
  onProgress: (progress: LoadProgress) => void,
  signal: AbortSignal | undefined,
): Promise<ConvertedFiles> {
  let stopWaiting = (): void => {};
  const aborted = new Promise<never>((_, reject) => {
    const abort = (): void => reject(new WebMlaError('aborted', 'The conversion was cancelled.'));
    signal?.addEventListener('abort', abort);
    stopWaiting = () => signal?.removeEventListener('abort', abort);
  });
  try {
    throwIfAborted(signal);
    await Promise.race([started(worker, 'webmla/convert-worker'), aborted]);
    const crashed = crashOf(worker).then((error) => Promise.reject(error));
    return await Promise.race([answer(worker, task, onProgress), crashed, aborted]);
  } finally {
    stopWaiting();
    worker.terminate();
  }
}

function answer(
  worker: Worker,
  task: ConvertTask,
  onProgress: (progress: LoadProgress) => void,
): Promise<ConvertedFiles> {
  return new Promise((resolve, reject) => {
    worker.addEventListener('message', ({ data }: MessageEvent<FromConverter>) => {
      if (data.type === 'progress') onProgress(data.progress);
      else if (data.type === 'converted') resolve(data.converted);
      else reject(asWebMlaError(data.error));
    });
    worker.postMessage(sendable(task), []);
  });
}

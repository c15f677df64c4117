import type { LayerThread, LayerThreads } from '../runtime/layer_pool.ts';
import type { ThreadAnswer, ThreadTask } from '../runtime/layer_task.ts';

/** A browser's threads for the algebra of a conversion: workers of the worker that converts. */
export const layerThreads: LayerThreads | null =
  typeof Worker === 'undefined'
    ? null
    : { cores: navigator.hardwareConcurrency, start: () => new BrowserThread() };

class BrowserThread implements LayerThread {
  // In one expression, as bundlers want it; scripts/build.mjs names the built file.
  readonly #worker = new Worker(new URL('./layer_worker.ts', import.meta.url), {
    type: 'module',
    name: 'webmla layers',
  });

  run(task: ThreadTask): Promise<ThreadAnswer> {
    const worker = this.#worker;
    return new Promise((resolve, reject) => {
      const settle = (): void => {
        worker.removeEventListener('message', onMessage);
        worker.removeEventListener('error', onError);
        worker.removeEventListener('messageerror', onError);
      };
      const onMessage = ({ data }: MessageEvent<ThreadAnswer>): void => {
        settle();
        resolve(data);
      };
      const onError = (event: Event): void => {
        event.preventDefault();
        settle();
        reject(new Error('layer thread: expected an answer, got none'));
      };
      worker.addEventListener('message', onMessage);
      worker.addEventListener('error', onError);
      worker.addEventListener('messageerror', onError);
      worker.postMessage(task, []);
    });
  }

  end(): void {
    this.#worker.terminate();
  }
}

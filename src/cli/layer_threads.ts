import { existsSync } from 'node:fs';
import { availableParallelism } from 'node:os';
import { fileURLToPath } from 'node:url';
import { Worker } from 'node:worker_threads';
import type { LayerThread, LayerThreads } from '../runtime/layer_pool.ts';
import type { ThreadAnswer, ThreadTask } from '../runtime/layer_task.ts';

/**
 * Node's threads for the algebra of a conversion.
 * @param scripts the first that is there is run; by default beside this file, or above it where the build made it a chunk
 * @returns null where none is there: in the sources, which Node cannot run
 */
export function layerThreads(
  scripts: readonly string[] = ['./', '../'].map((folder) =>
    fileURLToPath(new URL(`${folder}node_layer_worker.js`, import.meta.url)),
  ),
  cores: number = availableParallelism(),
): LayerThreads | null {
  const script = scripts.find(existsSync);
  return script === undefined ? null : { cores, start: () => new NodeThread(script) };
}

class NodeThread implements LayerThread {
  readonly #worker: Worker;

  constructor(script: string) {
    this.#worker = new Worker(script);
    // An idle thread must not keep the process alive.
    this.#worker.unref();
  }

  run(task: ThreadTask): Promise<ThreadAnswer> {
    const worker = this.#worker;
    worker.ref();
    return new Promise((resolve, reject) => {
      const settle = (): void => {
        worker.off('message', onMessage).off('error', onEnd).off('exit', onEnd);
        worker.unref();
      };
      const onMessage = (answer: ThreadAnswer): void => {
        settle();
        resolve(answer);
      };
      const onEnd = (why: unknown): void => {
        settle();
        reject(why instanceof Error ? why : new Error(`thread: ended with ${String(why)}`));
      };
      worker.on('message', onMessage).on('error', onEnd).on('exit', onEnd);
      worker.postMessage(task, []);
    });
  }

  end(): void {
    void this.#worker.terminate();
  }
}

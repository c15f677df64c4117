import { Engine } from './api/engine.ts';
import { WorkerEngine, WorkerStartError } from './worker/client.ts';
import { spawnWorker } from './worker/spawn.ts';
import type { EngineCore, EngineOptions } from './runtime/types.ts';

export { Engine } from './api/engine.ts';
export type { ChunkStream } from './api/engine.ts';
export { WebMlaError } from './core/errors.ts';
export type { ErrorCode, ErrorDetails } from './core/errors.ts';
export { deleteStoredFile, listStoredFiles } from './api/stored_files.ts';
export type * from './runtime/types.ts';

/**
 * Loads a model and makes it ready to answer. Files, conversion, GPU and text all live in a worker unless `worker` is false;
 * where the worker's script cannot be loaded (a bundler that does not know it), the engine runs on this thread and
 * `info.notes` says so.
 * @throws WebMlaError with a code for every way in which files, network, options or GPU can fail
 */
export async function createEngine(options: EngineOptions): Promise<Engine> {
  const { worker = typeof Worker !== 'undefined', onProgress, signal, ...rest } = options;
  if (worker === false) return new Engine(await local(options, []));
  const thread = worker === true ? spawnWorker() : typeof worker === 'function' ? worker() : worker;
  let core: EngineCore;
  try {
    core = await WorkerEngine.create(thread, rest, onProgress, signal);
  } catch (error) {
    // Only the default worker is replaced: who passed one wants to know that it does not work.
    if (!(error instanceof WorkerStartError) || worker !== true) throw error;
    core = await local(options, [`The engine runs on the page's thread: ${error.message}. ${error.hint}`]);
  }
  return new Engine(core);
}

/** On this thread. Loaded only when it is asked for: with a worker the page needs none of it. */
async function local(options: EngineOptions, notes: readonly string[]): Promise<EngineCore> {
  const { openLocalEngine } = await import('./runtime/open.ts');
  const { worker: _, onProgress = () => {}, signal, ...rest } = options;
  return openLocalEngine({ ...rest, notes }, navigator.gpu, onProgress, signal);
}

import { Engine } from './api/engine.ts';
import { WorkerEngine } from './worker/client.ts';
import { attentionChoice } from './runtime/conversion_choice.ts';
import { spawnConverter, spawnWorker } from './worker/spawn.ts';
import { WorkerStartError } from './worker/started_worker.ts';
import type { OpenOptions } from './runtime/open.ts';
import type { EngineCore, EngineOptions, LoadProgress } from './runtime/types.ts';

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
  const {
    worker = typeof Worker !== 'undefined',
    onProgress = () => {},
    signal,
    attention,
    ...given
  } = options;
  const { form, wish } = attentionChoice(attention);
  let rest: OpenOptions = { ...given, attention: form };
  if (wish) {
    // Loaded only when it is asked for; the worker is started from here, since its address is relative to this file.
    const { convertFirst } = await import('./worker/convert_first.ts');
    rest = await convertFirst(wish, given, worker === false ? null : spawnConverter, onProgress, signal);
  }
  if (worker === false) return new Engine(await local(rest, onProgress, signal));
  const thread = worker === true ? spawnWorker() : typeof worker === 'function' ? worker() : worker;
  let core: EngineCore;
  try {
    core = await WorkerEngine.create(thread, rest, onProgress, signal);
  } catch (error) {
    // Only the default worker is replaced: who passed one wants to know that it does not work.
    if (!(error instanceof WorkerStartError) || worker !== true) throw error;
    const note = `The engine runs on the page's thread: ${error.message}. ${error.hint}`;
    core = await local({ ...rest, notes: [...(rest.notes ?? []), note] }, onProgress, signal);
  }
  return new Engine(core);
}

/** On this thread. Loaded only when it is asked for: with a worker the page needs none of it. */
async function local(
  options: OpenOptions,
  onProgress: (progress: LoadProgress) => void,
  signal: AbortSignal | undefined,
): Promise<EngineCore> {
  const { openLocalEngine } = await import('./runtime/open.ts');
  return openLocalEngine(options, navigator.gpu, onProgress, signal);
}

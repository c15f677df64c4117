import { asWebMlaError } from '../core/errors.ts';
import { openModelFiles } from '../formats/open_model_files.ts';
import type { ModelStore } from '../formats/model_store.ts';
import type { FetchProgress } from '../formats/stored_http.ts';
import { renamed } from '../formats/model_files.ts';
import type { ModelFiles } from '../formats/model_files.ts';
import type { Conversion } from './convert_files.ts';
import { LocalEngine } from './engine.ts';
import { openStore } from './stored_files.ts';
import type { AttentionForm, EngineOptions, LoadProgress } from './types.ts';

/** Options without the thread: what a worker is sent. `onProgress` and `signal` are given apart, since they cannot be sent. */
export interface OpenOptions extends Omit<EngineOptions, 'attention' | 'worker' | 'onProgress' | 'signal'> {
  /** See attentionChoice: a conversion that was asked for is made before. */
  readonly attention?: AttentionForm | undefined;
  /** Said of the engine in `info.notes`, before what happens on the way. */
  readonly notes?: readonly string[];
  /** What the model is called, where its files do not say it. */
  readonly name?: string;
  /** How the files were made, if they were converted on the way here. */
  readonly conversion?: Conversion;
}

/**
 * Finds the model's files (through the store, if it is wanted and there is one) and makes an engine on this thread.
 * @throws WebMlaError
 */
export async function openLocalEngine(
  options: OpenOptions,
  gpu: GPU | undefined,
  onProgress: (progress: LoadProgress) => void,
  signal: AbortSignal | undefined,
): Promise<LocalEngine> {
  const { name, ...rest } = options;
  const notes = [...(options.notes ?? [])];
  try {
    const { files } = await openWithStore(options, notes, onProgress, signal);
    return await LocalEngine.create({
      ...rest,
      files: name === undefined ? files : renamed(files, name),
      gpu,
      onProgress,
      notes,
      ...(signal && { signal }),
    });
  } catch (error) {
    throw asWebMlaError(error);
  }
}

/** What is there, with the store that it goes through: null where there is none, and a note that says so. */
export async function openWithStore(
  { model, hub, store: wanted = true }: Pick<EngineOptions, 'model' | 'hub' | 'store'>,
  notes: string[],
  onProgress: (progress: LoadProgress) => void,
  signal: AbortSignal | undefined,
): Promise<{ readonly files: ModelFiles; readonly store: ModelStore | null }> {
  const store = wanted ? await storeOrNote(notes) : null;
  const files = await openModelFiles(model, {
    store,
    onStoreError: (error) => notes.push(noteOf(error)),
    onProgress: ({ item, loaded, total, cached }: FetchProgress) =>
      onProgress({ stage: 'read', loaded, total, unit: 'bytes', item, cached }),
    ...(hub && { hub }),
    ...(signal && { signal }),
  });
  return { files, store };
}

/** A device that refuses storage (private windows) still runs models. */
async function storeOrNote(notes: string[]): Promise<ModelStore | null> {
  try {
    return await openStore();
  } catch (error) {
    notes.push(noteOf(error));
    return null;
  }
}

function noteOf(error: unknown): string {
  return `The model is not kept on this device: ${asWebMlaError(error).message}`;
}

import type { ConversionWish } from '../runtime/conversion_choice.ts';
import type { ConvertedFiles } from '../runtime/convert_files.ts';
import type { OpenOptions } from '../runtime/open.ts';
import type { EngineOptions, LoadProgress } from '../runtime/types.ts';
import { convertInWorker } from './convert_client.ts';
import { WorkerStartError } from './started_worker.ts';

/**
 * Options of an engine that loads a converted model, once it is converted.
 * @param spawn starts the converter's worker; where it does not start, this thread converts and a note says so. null: this thread
 * @throws WebMlaError as convertModelSource does
 */
export async function convertFirst(
  wish: ConversionWish,
  options: Omit<EngineOptions, 'attention' | 'worker' | 'onProgress' | 'signal'>,
  spawn: (() => Worker) | null,
  onProgress: (progress: LoadProgress) => void,
  signal: AbortSignal | undefined,
): Promise<OpenOptions> {
  const { model, hub, store, cacheDtype, ...rest } = options;
  const text = wish.calibration?.text ?? (await import('../runtime/calibration_text.ts')).CALIBRATION_TEXT;
  const task = {
    model,
    ...(hub && { hub }),
    ...(store !== undefined && { store }),
    request: { wish, cacheDtype, text },
  };
  // Loaded only when it is asked for: with a worker the page needs none of it.
  const onThisThread = async (): Promise<ConvertedFiles> => {
    const { convertModelSource } = await import('../runtime/convert_source.ts');
    const host = { gpu: async () => navigator.gpu, threads: null, onProgress, signal };
    return convertModelSource(task, task.request, host);
  };
  const notes: string[] = [];
  let made: ConvertedFiles;
  try {
    made = spawn ? await convertInWorker(spawn(), task, onProgress, signal) : await onThisThread();
  } catch (error) {
    if (!(error instanceof WorkerStartError)) throw error;
    notes.push(`The model was converted on the page's thread: ${error.message}. ${error.hint}`);
    made = await onThisThread();
  }
  const { files, name, conversion } = made;
  return {
    ...rest,
    model: files,
    name,
    attention: 'mla',
    conversion,
    notes: [...notes, ...made.notes],
  };
}

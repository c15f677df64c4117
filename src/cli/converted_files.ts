import { filesOf } from '../formats/local_files.ts';
import { renamed } from '../formats/model_files.ts';
import type { ModelFiles } from '../formats/model_files.ts';
import { attentionChoice } from '../runtime/conversion_choice.ts';
import { convertFiles } from '../runtime/convert_files.ts';
import type { LocalEngineOptions } from '../runtime/engine.ts';
import type { AttentionForm, EngineOptions } from '../runtime/types.ts';
import { openDawn } from './dawn.ts';
import { layerThreads } from './layer_threads.ts';

/**
 * What an engine in Node loads: the files, or what a conversion makes of them if `attention` asks for one.
 * @throws WebMlaError as attentionChoice and convertFiles do
 */
export async function convertedFiles(
  files: ModelFiles,
  options: Pick<EngineOptions, 'attention' | 'cacheDtype' | 'onProgress' | 'signal'>,
): Promise<
  Pick<LocalEngineOptions, 'files' | 'conversion' | 'notes'> & {
    readonly attention: AttentionForm | undefined;
  }
> {
  const { attention, cacheDtype, onProgress = () => {}, signal } = options;
  const { form, wish } = attentionChoice(attention);
  if (!wish) return { files, attention: form };
  const text = wish.calibration?.text ?? (await defaultText());
  const host = { gpu: openDawn, threads: layerThreads(), store: null, onProgress, signal };
  const made = await convertFiles(files, { wish, cacheDtype, text }, host);
  const { name, conversion, notes } = made;
  return { files: renamed(filesOf(made.files), name), attention: 'mla', conversion, notes };
}

/** The text of the package. */
export async function defaultText(): Promise<string> {
  return (await import('../runtime/calibration_text.ts')).CALIBRATION_TEXT;
}

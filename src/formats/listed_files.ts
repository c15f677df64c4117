import type { ByteSource } from './byte_source.ts';
import type { ModelFiles } from './model_files.ts';
import { chooseWeights } from './weights_choice.ts';

/**
 * Files that are known by a list: chosen Files, a directory, a repository; the CLI makes one of a local folder.
 * @param open for each path
 * @throws WebMlaError `bad_request` when it is not clear which file is the model
 */
export function listedFiles(
  name: string,
  open: ReadonlyMap<string, (signal?: AbortSignal) => Promise<ByteSource>>,
): ModelFiles {
  return {
    name,
    ...chooseWeights([...open.keys()], name),
    open: async (path, signal) => (await open.get(path)?.(signal)) ?? null,
  };
}

import { KeptModels } from '../../conversion.ts';
import { WebMlaError } from '../../index.ts';
import { madeAddress } from '../model_choice.ts';

/** Ways out of the page for a converted model. */

/**
 * Keeps it on this device, and says where the chat page finds it.
 * @throws WebMlaError `storage`
 */
export async function keepForChat(name: string, files: readonly File[], cacheDtype: string): Promise<string> {
  const models = await KeptModels.open();
  await models.save(
    name,
    files.map((file) => ({ name: file.name, data: file })),
  );
  const query = new URLSearchParams({ model: madeAddress(name), attention: 'mla', cacheDtype });
  return `./?${query}`;
}

/** Not in all browsers, and not in the types that come with the compiler. */
interface DirectoryPicker {
  showDirectoryPicker(options: { mode: 'readwrite'; id: string }): Promise<FileSystemDirectoryHandle>;
}

export function canPickFolder(): boolean {
  return picker(globalThis) !== null;
}

function picker(scope: object): DirectoryPicker | null {
  return hasPicker(scope) ? scope : null;
}

function hasPicker(scope: object): scope is DirectoryPicker {
  return 'showDirectoryPicker' in scope;
}

/**
 * Writes the files into a new folder of that name, below one that the person picks; config.json last, without which it is no model.
 * @returns false when the person picked none
 * @throws WebMlaError `storage`
 */
export async function saveToFolder(name: string, files: readonly File[]): Promise<boolean> {
  let folder: FileSystemDirectoryHandle | undefined;
  try {
    folder = await picker(globalThis)?.showDirectoryPicker({ mode: 'readwrite', id: 'webmla-models' });
  } catch (error) {
    if (error instanceof Error && error.name === 'AbortError') return false;
    throw writeError(name, error);
  }
  if (!folder) return false;
  let [at, target]: [string, FileSystemDirectoryHandle | null] = ['', null];
  try {
    target = await folder.getDirectoryHandle(name, { create: true });
    // What an earlier time left must not be read together with what is written now.
    for (const file of files.toReversed()) await target.removeEntry(file.name).catch(() => undefined);
    for (const file of files) {
      at = file.name;
      const handle = await target.getFileHandle(file.name, { create: true });
      await file.stream().pipeTo(await handle.createWritable());
    }
    return true;
  } catch (error) {
    // It was opened, and is empty.
    await target?.removeEntry(at).catch(() => undefined);
    throw writeError(`${name}/${at}`, error);
  }
}

function writeError(what: string, error: unknown): WebMlaError {
  const message = error instanceof Error ? error.message : String(error);
  return new WebMlaError(
    'storage',
    `${what}: expected to write it, got "${message}"`,
    'Choose a folder that may be written to, on a disk with room for the model.',
  );
}

import { storageError } from './storage_error.ts';

const DIRECTORY = 'webmla';

/** The directory of this origin's model store. @throws WebMlaError `storage` where there is no OPFS (private windows, Node) */
export async function storeDirectory(): Promise<FileSystemDirectoryHandle> {
  try {
    const root = await globalThis.navigator.storage.getDirectory();
    return await root.getDirectoryHandle(DIRECTORY, { create: true });
  } catch (error) {
    throw storageError('the model store', error);
  }
}

/**
 * Asks the browser not to clear this origin's files when the disk gets full. Firefox asks the user: call it after they
 * chose to keep a model. @returns whether it is granted
 */
export async function requestPersistence(): Promise<boolean> {
  try {
    return await globalThis.navigator.storage.persist();
  } catch {
    return false;
  }
}

import { ModelStore } from '../formats/model_store.ts';
import type { StoredFile } from './types.ts';

/** The files that were downloaded and kept on this device (OPFS). */

const FOLDER = 'webmla';

/** @returns null where there is no OPFS (Node) @throws WebMlaError `storage` where it may not be used */
export async function openStore(): Promise<ModelStore | null> {
  if (typeof navigator === 'undefined' || !navigator.storage?.getDirectory) return null;
  const root = await navigator.storage.getDirectory();
  return ModelStore.open(await root.getDirectoryHandle(FOLDER, { create: true }));
}

/** What is kept, most recently used first. @throws WebMlaError `storage` */
export async function listStoredFiles(): Promise<StoredFile[]> {
  const files = (await (await openStore())?.list()) ?? [];
  return files.toSorted((a, b) => b.lastUsed - a.lastUsed);
}

/** Deletes one file. Engines that were loaded from it go on. @throws WebMlaError `storage` */
export async function deleteStoredFile(sha256: string): Promise<void> {
  await (await openStore())?.delete(sha256);
}

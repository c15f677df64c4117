import { ModelStore } from '../formats/model_store.ts';
import { storeDirectory } from '../formats/store_directory.ts';
import type { StoredFile } from './types.ts';

/** The files that were downloaded and kept on this device (OPFS). */

/** @throws WebMlaError `storage` where there is no OPFS, or it may not be used (Node, private windows) */
export async function openStore(): Promise<ModelStore> {
  return ModelStore.open(await storeDirectory());
}

/** What is kept, most recently used first. @throws WebMlaError `storage` */
export async function listStoredFiles(): Promise<StoredFile[]> {
  const store = await openStore();
  return (await store.list()).toSorted((a, b) => b.lastUsed - a.lastUsed);
}

/** Deletes one file. Engines that were loaded from it go on. @throws WebMlaError `storage` */
export async function deleteStoredFile(sha256: string): Promise<void> {
  const store = await openStore();
  await store.delete(sha256);
}

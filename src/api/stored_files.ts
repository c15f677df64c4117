import type { StoredFile } from '../runtime/types.ts';

/** Files that were downloaded and kept on this device, most recently used first. @throws WebMlaError `storage` */
export async function listStoredFiles(): Promise<StoredFile[]> {
  const store = await import('../runtime/stored_files.ts');
  return store.listStoredFiles();
}

/** Deletes one of them. Engines that were loaded from it go on. @throws WebMlaError `storage` */
export async function deleteStoredFile(sha256: string): Promise<void> {
  const store = await import('../runtime/stored_files.ts');
  await store.deleteStoredFile(sha256);
}

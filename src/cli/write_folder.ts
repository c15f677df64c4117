import { mkdir, open, rename, rm } from 'node:fs/promises';
import { join } from 'node:path';
import { WebMlaError } from '../core/errors.ts';
import type { ModelFolder } from '../runtime/latent_files.ts';

/**
 * Writes a folder's files, each under another name until it is whole, in the order given: a folder whose writing was cut short
 * lacks its last file.
 * @throws WebMlaError `storage`
 */
export async function writeFolder(folder: string, files: ModelFolder): Promise<void> {
  const written: string[] = [];
  try {
    await mkdir(folder, { recursive: true });
    // What an earlier run left must not be read together with what this one writes.
    for (const name of [...files.keys()].toReversed()) await rm(join(folder, name), { force: true });
    for (const [name, parts] of files) {
      const partial = join(folder, `${name}.partial`);
      written.push(partial);
      const file = await open(partial, 'w');
      try {
        for (const part of parts)
          await file.appendFile(part instanceof Blob ? new Uint8Array(await part.arrayBuffer()) : part);
      } finally {
        await file.close();
      }
      await rename(partial, join(folder, name));
    }
  } catch (error) {
    for (const partial of written) await rm(partial, { force: true }).catch(() => undefined);
    const why = error instanceof Error ? error.message : String(error);
    throw new WebMlaError(
      'storage',
      `${folder}: expected to write a folder, got: ${why}`,
      'Choose a folder that may be written to, on a disk with room for the model.',
      {},
      error,
    );
  }
}

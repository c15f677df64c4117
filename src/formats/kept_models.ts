import { throwIfAborted, WebMlaError } from '../core/errors.ts';
import { storageError } from './storage_error.ts';
import { storeDirectory } from './store_directory.ts';

/**
 * Models that were made on this device, as folders in the origin private file system: made/NAME/FILE. Files are written in the
 * order given, config.json last: a folder without one was cut short, is no model, and goes when the next one is saved.
 */

export interface KeptModel {
  readonly name: string;
  readonly bytes: number;
}

export interface FileToKeep {
  readonly name: string;
  readonly data: Blob;
}

const DIRECTORY = 'made';
const LAST_FILE = 'config.json';

export class KeptModels {
  readonly #models: FileSystemDirectoryHandle;

  private constructor(models: FileSystemDirectoryHandle) {
    this.#models = models;
  }

  /** @throws WebMlaError `storage` where there is no OPFS, or it may not be used */
  static async open(root?: FileSystemDirectoryHandle): Promise<KeptModels> {
    try {
      const directory = root ?? (await storeDirectory());
      return new KeptModels(await directory.getDirectoryHandle(DIRECTORY, { create: true }));
    } catch (error) {
      throw storageError('models kept on this device', error);
    }
  }

  /**
   * Takes the place of a model of the same name.
   * @throws WebMlaError `storage` when the disk is full or refuses, `aborted`; nothing is left then
   */
  async save(name: string, files: readonly FileToKeep[], signal?: AbortSignal): Promise<void> {
    const bytes = files.reduce((sum, { data }) => sum + data.size, 0);
    if (files.at(-1)?.name !== LAST_FILE)
      throw new WebMlaError('internal', `${name}: expected ${LAST_FILE} as the last file`);
    try {
      await this.#removeBroken();
      await this.delete(name);
      const folder = await this.#models.getDirectoryHandle(name, { create: true });
      for (const file of files) {
        throwIfAborted(signal);
        const handle = await folder.getFileHandle(file.name, { create: true });
        const writable = await handle.createWritable();
        try {
          await writable.write(file.data);
          await writable.close();
        } catch (error) {
          await writable.abort().catch(() => undefined);
          throw error;
        }
      }
    } catch (error) {
      await this.delete(name).catch(() => undefined);
      throw storageError(name, error, bytes);
    }
  }

  /** Whole models, by name. @throws WebMlaError `storage` */
  async list(): Promise<KeptModel[]> {
    try {
      const found: KeptModel[] = [];
      for await (const [name, entry] of this.#models.entries()) {
        if (entry.kind !== 'directory' || !(await isWhole(entry))) continue;
        let bytes = 0;
        for await (const file of entry.values()) {
          if (file.kind === 'file') bytes += (await (await entry.getFileHandle(file.name)).getFile()).size;
        }
        found.push({ name, bytes });
      }
      return found.toSorted((a, b) => a.name.localeCompare(b.name));
    } catch (error) {
      throw storageError('models kept on this device', error);
    }
  }

  /** A folder that createEngine takes. @throws WebMlaError `missing_file`, `storage` */
  async folder(name: string): Promise<FileSystemDirectoryHandle> {
    const entry = await this.#find(name);
    if (entry && (await isWhole(entry))) return entry;
    throw new WebMlaError(
      'missing_file',
      `${name}: expected a model that is kept on this device, got none`,
      'It was deleted, here or by the browser. Convert it again.',
    );
  }

  /** Of a model that is not there this does nothing. @throws WebMlaError `storage` */
  async delete(name: string): Promise<void> {
    if (!(await this.#find(name))) return;
    try {
      await this.#models.removeEntry(name, { recursive: true });
    } catch (error) {
      throw storageError(name, error);
    }
  }

  async #find(name: string): Promise<FileSystemDirectoryHandle | null> {
    try {
      return await this.#models.getDirectoryHandle(name);
    } catch (error) {
      if (error instanceof Error && ['NotFoundError', 'TypeMismatchError', 'TypeError'].includes(error.name))
        return null;
      throw storageError(name, error);
    }
  }

  /** What a tab left behind that was closed while it wrote. */
  async #removeBroken(): Promise<void> {
    const broken: string[] = [];
    for await (const [name, entry] of this.#models.entries()) {
      if (entry.kind === 'directory' && !(await isWhole(entry))) broken.push(name);
    }
    for (const name of broken) await this.#models.removeEntry(name, { recursive: true });
  }
}

/** An empty file is one that was not closed. */
async function isWhole(folder: FileSystemDirectoryHandle): Promise<boolean> {
  try {
    return (await (await folder.getFileHandle(LAST_FILE)).getFile()).size > 0;
  } catch {
    return false;
  }
}

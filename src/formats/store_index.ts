import { isJsonObject } from './json_source.ts';
import { storageError } from './storage_error.ts';

/** What the store knows of an address. */
export interface StoredUrl {
  readonly sha256: string;
  readonly size: number;
  readonly version: string | null;
  /** ms since 1970 */
  readonly lastUsed: number;
}

/** What is used of navigator.locks. */
export interface StoreLocks {
  request<T>(name: string, options: { readonly signal?: AbortSignal }, work: () => Promise<T>): Promise<T>;
}

const FILE = 'index.json';
const LOCK = 'webmla-store';

/** index.json of the store. Changes are made one at a time, across tabs where the browser has locks. */
export class StoreIndex {
  readonly #root: FileSystemDirectoryHandle;
  readonly #locks: StoreLocks | undefined;
  /** Where there are no locks: the last work of this tab under each. */
  readonly #last = new Map<string, Promise<unknown>>();

  constructor(root: FileSystemDirectoryHandle, locks: StoreLocks | undefined) {
    this.#root = root;
    this.#locks = locks;
  }

  /** By address. A damaged index is an empty one: the files are found again by their hashes. */
  async read(): Promise<Map<string, StoredUrl>> {
    let text: string;
    try {
      const handle = await this.#root.getFileHandle(FILE);
      text = await (await handle.getFile()).text();
    } catch (error) {
      if (error instanceof Error && error.name === 'NotFoundError') return new Map();
      throw storageError(FILE, error);
    }
    return parse(text);
  }

  /** Reads, lets `change` change, writes. */
  async update(change: (urls: Map<string, StoredUrl>) => void): Promise<void> {
    await this.locked(async () => {
      const urls = await this.read();
      change(urls);
      try {
        const handle = await this.#root.getFileHandle(FILE, { create: true });
        const writable = await handle.createWritable();
        // The old file stays until close(): a tab that dies in between damages nothing.
        await writable.write(JSON.stringify({ urls: Object.fromEntries(urls) }));
        await writable.close();
      } catch (error) {
        throw storageError(FILE, error);
      }
    });
  }

  /** Runs `work` while no other tab (or call) runs any under the same lock. */
  async locked<T>(work: () => Promise<T>, lock = LOCK, signal?: AbortSignal): Promise<T> {
    if (this.#locks) return this.#locks.request(lock, signal ? { signal } : {}, work);
    const before = this.#last.get(lock);
    const mine = (async () => {
      await before;
      return work();
    })();
    this.#last.set(
      lock,
      mine.catch(() => undefined),
    );
    return mine;
  }
}

function parse(text: string): Map<string, StoredUrl> {
  let value: unknown;
  try {
    value = JSON.parse(text);
  } catch {
    return new Map();
  }
  const urls = isJsonObject(value) && isJsonObject(value['urls']) ? value['urls'] : {};
  return new Map(Object.entries(urls).filter((entry): entry is [string, StoredUrl] => isStoredUrl(entry[1])));
}

function isStoredUrl(value: unknown): value is StoredUrl {
  return (
    isJsonObject(value) &&
    typeof value['sha256'] === 'string' &&
    typeof value['size'] === 'number' &&
    typeof value['lastUsed'] === 'number' &&
    (value['version'] === null || typeof value['version'] === 'string')
  );
}

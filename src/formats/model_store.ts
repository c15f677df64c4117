import { sha256 } from '@noble/hashes/sha2.js';
import { throwIfAborted, WebMlaError } from '../core/errors.ts';
import { blobSource } from './byte_source.ts';
import type { ByteSource } from './byte_source.ts';
import { StoreIndex } from './store_index.ts';
import type { StoredUrl, StoreLocks } from './store_index.ts';
import { storageError } from './storage_error.ts';

/**
 * Files from the network, kept in the origin private file system (OPFS) under the SHA-256 of their content:
 *
 *   files/SHA256      complete files only; two addresses with the same content share one
 *   partial/UUID      being downloaded; moved to files/ when the whole is there and its hash is known
 *   index.json        address -> hash, size, version, last use
 *
 * Several tabs may use one store. Every method throws WebMlaError `storage` when the disk is full or may not be used; a
 * caller may then go on without a store.
 */

/** A file in the store. */
export interface StoredFile {
  readonly sha256: string;
  readonly bytes: number;
  /** Where it came from; [] when the index was lost. */
  readonly urls: readonly string[];
  /** ms since 1970 */
  readonly lastUsed: number;
}

/** What is known of a file before it is downloaded. */
export interface Expected {
  readonly url: string;
  readonly size: number;
  /** ETag or the like: tells later whether the address still has the same content. */
  readonly version: string | null;
  readonly sha256: string | null;
}

/** Bytes that are written to disk at a time. Each write is a message to another process. */
const WRITE_BYTES = 2 ** 20;
/** A partial file so old, in ms, belongs to no running download. */
const STALE_MS = 24 * 3600 * 1000;

export class ModelStore {
  readonly index: StoreIndex;
  readonly #files: FileSystemDirectoryHandle;
  readonly #partial: FileSystemDirectoryHandle;

  private constructor(
    index: StoreIndex,
    files: FileSystemDirectoryHandle,
    partial: FileSystemDirectoryHandle,
  ) {
    this.index = index;
    this.#files = files;
    this.#partial = partial;
  }

  /**
   * @param root a directory of the store's own
   * @param locks shared between tabs; default: navigator.locks where it exists
   */
  static async open(
    root: FileSystemDirectoryHandle,
    locks: StoreLocks | undefined = globalThis.navigator?.locks,
  ): Promise<ModelStore> {
    try {
      const files = await root.getDirectoryHandle('files', { create: true });
      const partial = await root.getDirectoryHandle('partial', { create: true });
      const store = new ModelStore(new StoreIndex(root, locks), files, partial);
      await store.#removeStale();
      return store;
    } catch (error) {
      throw storageError('the model store', error);
    }
  }

  /** @returns null when there is no such file, or it has not the size that the index says */
  async read(hash: string, name: string, size?: number): Promise<ByteSource | null> {
    const file = await fileIn(this.#files, hash);
    return file && (size === undefined || file.size === size) ? blobSource(file, name) : null;
  }

  /** The stored copy of an address, or null. */
  async find(url: string): Promise<{ readonly entry: StoredUrl; readonly source: ByteSource } | null> {
    const entry = (await this.index.read()).get(url);
    const source = entry ? await this.read(entry.sha256, url, entry.size) : null;
    return entry && source ? { entry, source } : null;
  }

  /** Notes that an address was used, or that it has the content of a file that is here. */
  async note(url: string, entry: Omit<StoredUrl, 'lastUsed'>): Promise<void> {
    await this.index.update((urls) => urls.set(url, { ...entry, lastUsed: Date.now() }));
  }

  /**
   * Writes a download. Only when all of it is there and the hash is right it can be found.
   * @throws WebMlaError `network` when size or hash are not the expected ones; what `chunks` throws; `storage`
   */
  async save(
    expected: Expected,
    chunks: AsyncIterable<Uint8Array<ArrayBuffer>>,
    signal?: AbortSignal,
  ): Promise<ByteSource> {
    await checkSpace(expected);
    const temporary = crypto.randomUUID();
    try {
      const handle = await this.#partial.getFileHandle(temporary, { create: true });
      const { hash, size } = await write(handle, chunks, signal);
      checkContent(expected, hash, size);
      await this.#adopt(handle, hash, size);
      await this.note(expected.url, { sha256: hash, size, version: expected.version });
      const source = await this.read(hash, expected.url, size);
      if (source) return source;
      throw new WebMlaError('storage', `${expected.url}: expected the stored file, got none`);
    } catch (error) {
      await this.#partial.removeEntry(temporary).catch(() => undefined);
      throw error instanceof WebMlaError ? error : storageError(expected.url, error, expected.size);
    }
  }

  /** Most recently used first. */
  async list(): Promise<StoredFile[]> {
    try {
      const urls = [...(await this.index.read())];
      const list: StoredFile[] = [];
      for await (const hash of this.#files.keys()) {
        const file = await fileIn(this.#files, hash);
        if (!file) continue;
        const mine = urls.filter(([, entry]) => entry.sha256 === hash);
        const lastUsed = mine.reduce((latest, [, entry]) => Math.max(latest, entry.lastUsed), 0);
        list.push({ sha256: hash, bytes: file.size, urls: mine.map(([url]) => url), lastUsed });
      }
      return list.toSorted((a, b) => b.lastUsed - a.lastUsed);
    } catch (error) {
      throw storageError('the model store', error);
    }
  }

  /** Of a file that is not there this does nothing. */
  async delete(hash: string): Promise<void> {
    await this.index.update((urls) => {
      for (const [url, entry] of urls) if (entry.sha256 === hash) urls.delete(url);
    });
    try {
      if (await fileIn(this.#files, hash)) await this.#files.removeEntry(hash);
    } catch (error) {
      throw storageError(hash, error);
    }
  }

  /** Bytes of all files here, and what the browser would still give (null when it does not say). */
  async usage(): Promise<{ readonly bytes: number; readonly available: number | null }> {
    const bytes = (await this.list()).reduce((sum, file) => sum + file.bytes, 0);
    return { bytes, available: await availableBytes() };
  }

  /** Moves a complete file to its place, unless the same content is there already. */
  async #adopt(handle: FileSystemFileHandle, hash: string, size: number): Promise<void> {
    await this.index.locked(async () => {
      const there = await fileIn(this.#files, hash);
      if (there?.size === size) return this.#partial.removeEntry(handle.name);
      const movable: FileSystemFileHandle & {
        move?: (parent: FileSystemDirectoryHandle, name: string) => Promise<void>;
      } = handle;
      if (movable.move) return movable.move(this.#files, hash);
      // Browsers without move(): the copy becomes visible as a whole when its stream is closed.
      const target = await this.#files.getFileHandle(hash, { create: true });
      const file = await handle.getFile();
      await file.stream().pipeTo(await target.createWritable());
      return this.#partial.removeEntry(handle.name);
    });
  }

  /** What tabs left behind that were closed while they downloaded. */
  async #removeStale(): Promise<void> {
    const names: string[] = [];
    for await (const name of this.#partial.keys()) {
      const file = await fileIn(this.#partial, name);
      if (file && Date.now() - file.lastModified > STALE_MS) names.push(name);
    }
    for (const name of names) await this.#partial.removeEntry(name).catch(() => undefined);
  }
}

async function write(
  handle: FileSystemFileHandle,
  chunks: AsyncIterable<Uint8Array<ArrayBuffer>>,
  signal: AbortSignal | undefined,
): Promise<{ hash: string; size: number }> {
  const writable = await handle.createWritable();
  const digest = sha256.create();
  let size = 0;
  let waiting: Uint8Array<ArrayBuffer>[] = [];
  let waitingBytes = 0;
  try {
    for await (const chunk of chunks) {
      throwIfAborted(signal);
      digest.update(chunk);
      size += chunk.length;
      waiting.push(chunk);
      waitingBytes += chunk.length;
      if (waitingBytes < WRITE_BYTES) continue;
      await writable.write(new Blob(waiting));
      [waiting, waitingBytes] = [[], 0];
    }
    if (waitingBytes > 0) await writable.write(new Blob(waiting));
    await writable.close();
  } catch (error) {
    await writable.abort().catch(() => undefined);
    throw error;
  }
  return { hash: [...digest.digest()].map((byte) => byte.toString(16).padStart(2, '0')).join(''), size };
}

function checkContent(expected: Expected, hash: string, size: number): void {
  if (size === expected.size && (expected.sha256 === null || expected.sha256 === hash)) return;
  throw new WebMlaError(
    'network',
    `${expected.url}: expected ${expected.size} bytes with SHA-256 ${expected.sha256 ?? 'of any value'}, ` +
      `got ${size} bytes with ${hash}`,
    'The download was damaged on its way. Try again.',
  );
}

async function checkSpace({ url, size }: Expected): Promise<void> {
  const available = await availableBytes();
  if (available === null || size <= available) return;
  throw storageError(url, new Error(`the browser grants ${available} more bytes`), size);
}

async function availableBytes(): Promise<number | null> {
  try {
    const { quota, usage } = await globalThis.navigator.storage.estimate();
    return quota === undefined || usage === undefined ? null : Math.max(0, quota - usage);
  } catch {
    return null;
  }
}

async function fileIn(directory: FileSystemDirectoryHandle, name: string): Promise<File | null> {
  try {
    return await (await directory.getFileHandle(name)).getFile();
  } catch (error) {
    if (error instanceof Error && error.name === 'NotFoundError') return null;
    throw storageError(name, error);
  }
}

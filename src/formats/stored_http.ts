import { asWebMlaError, throwIfAborted, WebMlaError } from '../core/errors.ts';
import type { ByteSource } from './byte_source.ts';
import type { HttpOptions } from './http_answer.ts';
import { openHttp } from './http_source.ts';
import type { HttpFile } from './http_source.ts';
import type { ModelStore } from './model_store.ts';
import type { StoredUrl } from './store_index.ts';

/** What a list of files says about one of them, without asking for it. */
export interface ListedFile {
  readonly size: number;
  /** Changes when the content does. */
  readonly version: string;
  readonly sha256: string | null;
}

export interface FetchProgress {
  /** Path of the file in its model. */
  readonly item: string;
  /** Bytes. */
  readonly loaded: number;
  readonly total: number;
  /** From the store, not from the network. */
  readonly cached: boolean;
}

export interface StoredHttpOptions extends HttpOptions {
  /** null or left out: nothing is kept; files are read by ranges from the server. */
  readonly store?: ModelStore | null;
  readonly onProgress?: (progress: FetchProgress) => void;
  /** The disk is full or refuses: the file is then read from the server as if there were no store. */
  readonly onStoreError?: (error: WebMlaError) => void;
}

export interface OpenedFile {
  readonly source: ByteSource;
  /** The server could not be reached and the stored copy is used unchecked. */
  readonly offline: boolean;
}

/** Weights without ETag and Last-Modified are taken for unchanged when their length is; small files are fetched again. */
const UNVERSIONED_BYTES = 2 ** 20;

/**
 * A file of a server: the stored copy if it is still what the server has (or the server cannot be reached), else a download
 * into the store, else, without a store, a source that reads ranges.
 * @param listed lets an unchanged file be recognised without a request
 * @throws WebMlaError like openHttp and download()
 */
export async function openStoredHttp(
  url: string,
  item: string,
  listed: ListedFile | null,
  options: StoredHttpOptions,
): Promise<OpenedFile> {
  const { store } = options;
  if (!store) return { source: await openHttp(url, options), offline: false };
  try {
    // A second tab that wants the same file waits for the first instead of fetching it again.
    return await store.index.locked(
      () => openLocked(url, item, listed, store, options),
      `webmla-fetch ${url}`,
      options.signal,
    );
  } catch (error) {
    throwIfAborted(options.signal);
    const failure = asWebMlaError(error);
    if (failure.code !== 'storage') throw failure;
    options.onStoreError?.(failure);
    return { source: await openHttp(url, options), offline: false };
  }
}

async function openLocked(
  url: string,
  item: string,
  listed: ListedFile | null,
  store: ModelStore,
  options: StoredHttpOptions,
): Promise<OpenedFile> {
  const kept = (source: ByteSource, offline: boolean): OpenedFile => {
    options.onProgress?.({ item, loaded: source.size, total: source.size, cached: true });
    return { source, offline };
  };
  const known = await findListed(url, listed, store);
  if (known) return kept(known, false);

  const stored = await store.find(url);
  let file: HttpFile;
  try {
    // With a copy at hand there is no point in long patience.
    file = await openHttp(url, stored ? { ...options, retries: 1 } : options);
  } catch (error) {
    if (stored && isUnreachable(error)) return kept(stored.source, true);
    throw error;
  }
  if (stored && isSame(stored.entry, file)) {
    await touch(store, url, { sha256: stored.entry.sha256, size: file.size, version: file.version });
    return kept(stored.source, false);
  }
  const report = (loaded: number): void =>
    options.onProgress?.({ item, loaded, total: file.size, cached: false });
  report(0);
  const expected = {
    url,
    size: file.size,
    // The version of the list is compared with the list's next time.
    version: listed?.version ?? file.version,
    sha256: listed?.sha256 ?? file.sha256,
  };
  const source = await store.save(expected, file.download({ onProgress: report }), options.signal);
  return { source, offline: false };
}

/** By its hash a file is found even if it came from another address. */
async function findListed(
  url: string,
  listed: ListedFile | null,
  store: ModelStore,
): Promise<ByteSource | null> {
  if (!listed) return null;
  const entry = (await store.index.read()).get(url);
  const hash = listed.sha256 ?? (entry?.version === listed.version ? entry.sha256 : null);
  const source = hash === null ? null : await store.read(hash, url, listed.size);
  if (source && hash !== null) {
    await touch(store, url, { sha256: hash, size: listed.size, version: listed.version });
  }
  return source;
}

/** On a full disk the index cannot be written; that is no reason not to use what is there. */
async function touch(store: ModelStore, url: string, entry: Omit<StoredUrl, 'lastUsed'>): Promise<void> {
  await store.note(url, entry).catch(() => undefined);
}

function isSame(entry: { version: string | null; size: number }, file: HttpFile): boolean {
  if (entry.size !== file.size) return false;
  return file.version === null ? file.size >= UNVERSIONED_BYTES : file.version === entry.version;
}

/** No answer, or one that says "later". */
export function isUnreachable(error: unknown): boolean {
  return error instanceof WebMlaError && error.code === 'network' && error.details['repeatable'] === true;
}

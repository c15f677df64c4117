import type { Conversation } from './conversation.ts';

const NAME = 'webmla-chat';
const STORE = 'conversations';
/** A database that has not opened by then, in ms, is blocked by something; the page goes on without it. */
const PATIENCE_MS = 5000;

/** Conversations in IndexedDB, one record each. Every method rejects where storage is full or refused. */
export class ConversationDatabase {
  readonly #database: IDBDatabase;

  private constructor(database: IDBDatabase) {
    this.#database = database;
    // Another tab wants a newer version, or the person clears the site's data: do not stand in the way.
    database.addEventListener('versionchange', () => database.close());
  }

  static async open(): Promise<ConversationDatabase> {
    const request = indexedDB.open(NAME, 1);
    request.addEventListener('upgradeneeded', () => {
      request.result.createObjectStore(STORE, { keyPath: 'id' });
    });
    const late = new Promise<never>((_, reject) => {
      setTimeout(() => reject(new Error('the database did not open')), PATIENCE_MS);
    });
    return new ConversationDatabase(await Promise.race([resultOf(request), late]));
  }

  /** Records as they lie there, unchecked. */
  async readAll(): Promise<unknown[]> {
    return resultOf<unknown[]>(this.#store('readonly').getAll());
  }

  async read(id: string): Promise<unknown> {
    return resultOf<unknown>(this.#store('readonly').get(id));
  }

  async write(conversation: Conversation): Promise<void> {
    await this.#change((store) => store.put(conversation));
  }

  async remove(id: string): Promise<void> {
    await this.#change((store) => store.delete(id));
  }

  /** Resolves when it is on disk, not when the request was accepted: a full disk shows only then. */
  async #change(change: (store: IDBObjectStore) => void): Promise<void> {
    const store = this.#store('readwrite');
    const { transaction } = store;
    const settled = new Promise<void>((resolve, reject) => {
      const fail = (): void => reject(transaction.error ?? new Error('the transaction was aborted'));
      transaction.addEventListener('complete', () => resolve());
      transaction.addEventListener('abort', fail);
      transaction.addEventListener('error', fail);
    });
    change(store);
    await settled;
  }

  #store(mode: IDBTransactionMode): IDBObjectStore {
    return this.#database.transaction(STORE, mode).objectStore(STORE);
  }
}

function resultOf<T>(request: IDBRequest<T>): Promise<T> {
  return new Promise((resolve, reject) => {
    request.addEventListener('success', () => resolve(request.result));
    request.addEventListener('error', () => reject(request.error ?? new Error('the request failed')));
    request.addEventListener('blocked', () => reject(new Error('another tab holds the database')));
  });
}

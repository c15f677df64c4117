import { batch, computed, signal } from '@preact/signals';
import type { Conversation } from './conversation.ts';
import { ConversationDatabase } from './conversation_database.ts';
import { parseConversation } from './conversation_record.ts';

/** Changes are gathered so long, in ms: a running answer changes its conversation all the time. */
const SAVE_AFTER_MS = 400;
const CHANNEL = 'webmla-chat';

/**
 * All conversations of this browser, in memory and, where the browser lets it, in the database. Tabs tell each other what
 * changed. Storage that fails is said in `trouble` and stops nothing.
 */
export class ConversationShelf {
  /** The latest first. */
  readonly all = signal<readonly Conversation[]>([]);
  readonly currentId = signal<string | null>(null);
  readonly current = computed(() => this.find(this.currentId.value));
  /** False until the database has been read. */
  readonly isRead = signal(false);
  readonly trouble = signal<string | null>(null);
  readonly #database: Promise<ConversationDatabase | null>;
  readonly #channel = new BroadcastChannel(CHANNEL);
  readonly #waiting = new Set<string>();
  #timer: ReturnType<typeof setTimeout> | undefined;

  /** @param stored false: nothing is read or kept */
  constructor(stored: boolean) {
    this.#database = stored ? this.#open() : Promise.resolve(null);
    if (!stored) {
      this.isRead.value = true;
      return;
    }
    void this.#readAll();
    this.#channel.addEventListener('message', ({ data }: MessageEvent<unknown>) => void this.#reread(data));
    document.addEventListener('visibilitychange', () => {
      if (document.visibilityState === 'hidden') void this.#save();
    });
  }

  find(id: string | null): Conversation | null {
    return this.all.value.find((conversation) => conversation.id === id) ?? null;
  }

  /** Adds it, or takes the place of the one with the same id. */
  put(conversation: Conversation): void {
    const others = this.all.peek().filter(({ id }) => id !== conversation.id);
    this.all.value = [conversation, ...others].toSorted((a, b) => b.updatedAt - a.updatedAt);
    this.#waiting.add(conversation.id);
    this.#timer ??= setTimeout(() => void this.#save(), SAVE_AFTER_MS);
  }

  /** Of a conversation that is gone this does nothing. */
  change(id: string, change: (conversation: Conversation) => Conversation): void {
    const conversation = this.all.peek().find((one) => one.id === id);
    if (conversation) this.put(change(conversation));
  }

  remove(id: string): void {
    batch(() => {
      this.all.value = this.all.peek().filter((conversation) => conversation.id !== id);
      if (this.currentId.peek() === id) this.currentId.value = null;
    });
    this.#waiting.add(id);
    void this.#save();
  }

  async #open(): Promise<ConversationDatabase | null> {
    try {
      return await ConversationDatabase.open();
    } catch (error) {
      this.#complain(error);
      return null;
    }
  }

  async #readAll(): Promise<void> {
    try {
      const records = (await (await this.#database)?.readAll()) ?? [];
      const here = new Set(this.all.peek().map(({ id }) => id));
      const stored = records
        .map(parseConversation)
        .filter((conversation) => conversation !== null && !here.has(conversation.id))
        .filter((conversation) => conversation !== null);
      this.all.value = [...this.all.peek(), ...stored].toSorted((a, b) => b.updatedAt - a.updatedAt);
    } catch (error) {
      this.#complain(error);
    }
    this.isRead.value = true;
  }

  /** Writes what waits; what is no longer here is removed. */
  async #save(): Promise<void> {
    clearTimeout(this.#timer);
    this.#timer = undefined;
    const ids = [...this.#waiting];
    this.#waiting.clear();
    const database = await this.#database;
    if (!database) return;
    try {
      for (const id of ids) {
        const conversation = this.all.peek().find((one) => one.id === id);
        await (conversation ? database.write(conversation) : database.remove(id));
        // oxlint-disable-next-line unicorn/require-post-message-target-origin -- that is a window's
        this.#channel.postMessage(id);
      }
      this.trouble.value = null;
    } catch (error) {
      this.#complain(error);
    }
  }

  /** Another tab changed it. What this tab is about to write itself stays. */
  async #reread(id: unknown): Promise<void> {
    const database = await this.#database;
    if (!database || typeof id !== 'string' || this.#waiting.has(id)) return;
    const conversation = parseConversation(await database.read(id).catch(() => undefined));
    const others = this.all.peek().filter((one) => one.id !== id);
    const all = conversation ? [conversation, ...others] : others;
    this.all.value = all.toSorted((a, b) => b.updatedAt - a.updatedAt);
  }

  #complain(error: unknown): void {
    const why = error instanceof Error ? error.message : String(error);
    this.trouble.value = `Conversations are not kept on this device: ${why || 'storage is refused'}.`;
  }
}

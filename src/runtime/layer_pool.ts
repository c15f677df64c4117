import { asWebMlaError, WebMlaError } from '../core/errors.ts';
import { makeLayer } from './layer_task.ts';
import type { LayerAnswer, LayerMade, LayerTask } from './layer_task.ts';

/** A thread that answers one task at a time. */
export interface LayerThread {
  /** Rejects when the thread cannot be started, or dies. */
  run(task: LayerTask): Promise<LayerAnswer>;
  /** At once, whatever it is doing. */
  end(): void;
}

/** How a host starts threads: Node and browsers differ. */
export interface LayerThreads {
  start(): LayerThread;
  /** Cores of the machine. */
  readonly cores: number;
}

const MOST_THREADS = 8;

/**
 * Makes layers on other threads, each whole on one, so that a result depends neither on their number nor on who is first.
 * Without threads, or when they do not start, on this one.
 */
export class LayerPool {
  /** Tasks that run at the same time; 0: they run on this thread. */
  readonly size: number;
  readonly #threads: LayerThreads | null;
  readonly #idle: LayerThread[] = [];
  readonly #all = new Set<LayerThread>();
  readonly #waiting: (() => void)[] = [];
  #running = 0;
  #broken = false;
  #over: WebMlaError | undefined;
  #reject: ((error: WebMlaError) => void) | undefined;
  readonly #end: Promise<never>;

  constructor(threads: LayerThreads | null, layers: number) {
    this.#threads = threads;
    this.size = threads ? Math.max(0, Math.min(threads.cores - 1, MOST_THREADS, layers)) : 0;
    this.#end = new Promise((_, reject) => (this.#reject = reject));
    // Nobody may be waiting when the pool ends.
    this.#end.catch(() => undefined);
  }

  /** @throws WebMlaError as convertLayer does; `aborted` when the pool ends before */
  async make(task: LayerTask): Promise<LayerMade> {
    if (this.size === 0) return makeLayer(task);
    return Promise.race([this.#onThread(task), this.#end]);
  }

  /** Ends all threads at once; what they were making is rejected. */
  end(): void {
    this.#over ??= new WebMlaError('aborted', 'The conversion was cancelled.');
    this.#reject?.(this.#over);
    for (const thread of this.#all) thread.end();
    this.#all.clear();
    this.#idle.length = 0;
  }

  async #onThread(task: LayerTask): Promise<LayerMade> {
    while (this.#running >= this.size) await new Promise<void>((resolve) => this.#waiting.push(resolve));
    this.#running++;
    try {
      const answer = this.#over ? null : await this.#answer(task);
      if (this.#over) throw this.#over;
      if (!answer) return makeLayer(task);
      if ('error' in answer) throw asWebMlaError(answer.error);
      return answer.made;
    } finally {
      this.#running--;
      this.#waiting.shift()?.();
    }
  }

  /** @returns null when there is no thread to answer */
  async #answer(task: LayerTask): Promise<LayerAnswer | null> {
    if (this.#broken || !this.#threads) return null;
    try {
      const thread = this.#idle.pop() ?? this.#threads.start();
      this.#all.add(thread);
      const answer = await thread.run(task);
      this.#idle.push(thread);
      return answer;
    } catch {
      // A bundler that does not know the script, a policy that forbids threads: slower is better than not at all.
      this.#broken = true;
      return null;
    }
  }
}

import { BLOCK } from '../convert/linalg/block_kernel.ts';
import { solvePositive } from '../convert/linalg/cholesky.ts';
import { besideColumns, columnsOf } from '../convert/linalg/matrix.ts';
import type { Matrix } from '../convert/linalg/matrix.ts';
import { asWebMlaError, WebMlaError } from '../core/errors.ts';
import { makeLayer } from './layer_task.ts';
import type { LayerMade, LayerTask, ThreadAnswer, ThreadTask } from './layer_task.ts';

/** A thread that answers one task at a time. */
export interface LayerThread {
  /** Rejects when the thread cannot be started, or dies. */
  run(task: ThreadTask): Promise<ThreadAnswer>;
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
/** Of columns that are worth a thread of their own. */
const LEAST_BLOCKS = 16;

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
    const answer = await this.#answered(task);
    return answer && 'made' in answer ? answer.made : makeLayer(task);
  }

  /**
   * X of left X = right, columns in parts: each thread factors `left` anew, which is a seventh of the whole work for a square
   * right side. Columns are solved in blocks, so that the parts change no bit of the result.
   * @throws WebMlaError as solvePositive does; `aborted` when the pool ends before
   */
  async solve(left: Matrix, right: Matrix): Promise<Matrix> {
    const blocks = Math.ceil(right.cols / BLOCK);
    const parts = Math.max(1, Math.min(this.size, Math.floor(blocks / LEAST_BLOCKS)));
    const width = Math.ceil(blocks / parts) * BLOCK;
    const solved = await Promise.all(
      Array.from({ length: parts }, async (_, i) => {
        const some = columnsOf(right, Math.min(right.cols, i * width), Math.min(right.cols, (i + 1) * width));
        const answer = await this.#answered({ left, right: some });
        return answer && 'solution' in answer ? answer.solution : solvePositive(left, some);
      }),
    );
    return solved.reduce(besideColumns);
  }

  /** @returns null when there is no thread to answer: then it is to be done here */
  async #answered(task: ThreadTask): Promise<ThreadAnswer | null> {
    return this.size === 0 ? null : Promise.race([this.#onThread(task), this.#end]);
  }

  /** Ends all threads at once; what they were making is rejected. */
  end(): void {
    this.#over ??= new WebMlaError('aborted', 'The conversion was cancelled.');
    this.#reject?.(this.#over);
    for (const thread of this.#all) thread.end();
    this.#all.clear();
    this.#idle.length = 0;
  }

  async #onThread(task: ThreadTask): Promise<ThreadAnswer | null> {
    while (this.#running >= this.size) await new Promise<void>((resolve) => this.#waiting.push(resolve));
    this.#running++;
    try {
      const answer = this.#over ? null : await this.#answer(task);
      if (this.#over) throw this.#over;
      if (answer && 'error' in answer) throw asWebMlaError(answer.error);
      return answer;
    } finally {
      this.#running--;
      this.#waiting.shift()?.();
    }
  }

  /** @returns null when there is no thread to answer */
  async #answer(task: ThreadTask): Promise<ThreadAnswer | null> {
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

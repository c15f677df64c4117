import { asWebMlaError, throwIfAborted, WebMlaError } from '../core/errors.ts';
import type { OpenOptions } from '../runtime/open.ts';
import type {
  ChatCompletionChunk,
  ChatCompletionRequest,
  CompletionChunk,
  CompletionRequest,
  EngineCore,
  EngineInfo,
  LoadProgress,
} from '../runtime/types.ts';
import type { Cancel, FromWorker, StreamRequest, ToWorker } from './protocol.ts';
import { crashOf, sendable, started, WorkerStartError } from './started_worker.ts';

/** An engine in a worker, with the interface of the engine on this thread. */
export class WorkerEngine implements EngineCore {
  readonly info: EngineInfo;
  readonly #worker: Worker;
  /** Never rejects: the device is lost, or the worker stopped. */
  readonly #lost: Promise<WebMlaError>;
  #disposed = false;

  private constructor(worker: Worker, info: EngineInfo, lost: Promise<WebMlaError>) {
    this.#worker = worker;
    this.info = info;
    this.#lost = lost;
  }

  /**
   * @throws WebMlaError as openLocalEngine does; WorkerStartError when the script did not load
   */
  static async create(
    worker: Worker,
    options: OpenOptions,
    onProgress: ((progress: LoadProgress) => void) | undefined,
    signal: AbortSignal | undefined,
  ): Promise<WorkerEngine> {
    let stopListening = (): void => {};
    try {
      await started(worker, 'webmla/worker');
      throwIfAborted(signal);
      const crash = crashOf(worker);
      return await new Promise<WorkerEngine>((resolve, reject) => {
        let lose: (error: WebMlaError) => void = reject;
        void crash.then((error) => lose(error));
        const port = post(worker, { type: 'create', options: sendable(options) }, (message) => {
          if (message.type === 'progress') onProgress?.(message.progress);
          else if (message.type === 'error') reject(asWebMlaError(message.error));
          else if (message.type === 'lost') lose(asWebMlaError(message.error));
          else if (message.type === 'created') {
            const lost = new Promise<WebMlaError>((resolveLost) => (lose = resolveLost));
            resolve(new WorkerEngine(worker, message.info, lost));
          }
        });
        stopListening = cancelOn(signal, port);
      });
    } catch (error) {
      worker.terminate();
      throw error instanceof WorkerStartError ? error : asWebMlaError(error);
    } finally {
      stopListening();
    }
  }

  chat(request: ChatCompletionRequest, signal?: AbortSignal): AsyncGenerator<ChatCompletionChunk, void> {
    return this.#stream<ChatCompletionChunk>({ type: 'chat', request }, signal);
  }

  complete(request: CompletionRequest, signal?: AbortSignal): AsyncGenerator<CompletionChunk, void> {
    return this.#stream<CompletionChunk>({ type: 'completion', request }, signal);
  }

  async lost(): Promise<WebMlaError> {
    const error = await this.#lost;
    return this.#disposed ? new Promise<WebMlaError>(() => {}) : error;
  }

  dispose(): void {
    if (this.#disposed) return;
    this.#disposed = true;
    // The worker frees the GPU before it ends; terminating alone leaves that to the collector.
    post(this.#worker, { type: 'dispose' }, () => this.#worker.terminate());
    void this.#lost.then(() => this.#worker.terminate());
  }

  async *#stream<Chunk>(
    request: StreamRequest,
    signal: AbortSignal | undefined,
  ): AsyncGenerator<Chunk, void> {
    if (this.#disposed)
      throw new WebMlaError('engine_state', 'engine: expected one in use, got one disposed of');
    throwIfAborted(signal);
    const inbox = new Inbox<FromWorker>();
    const port = post(this.#worker, request, (message) => inbox.push(message));
    const stopListening = cancelOn(signal, port);
    void this.#lost.then((error) => inbox.push({ type: 'error', error: error.toJSON() }));
    try {
      for (;;) {
        const message = await inbox.next();
        if (message.type === 'end') return;
        if (message.type === 'error') throw asWebMlaError(message.error);
        // oxlint-disable-next-line no-unsafe-type-assertion -- the worker answers a request of one kind with chunks of that kind
        if (message.type === 'chunk') yield message.chunk as Chunk;
      }
    } finally {
      // Also when the caller left its loop: the worker must stop.
      port.postMessage({ type: 'cancel' } satisfies Cancel);
      stopListening();
      port.close();
    }
  }
}

type WithoutPort<T> = T extends unknown ? Omit<T, 'port'> : never;

/** Sends a message with a port of its own. @returns this side of it */
function post(
  worker: Worker,
  message: WithoutPort<ToWorker>,
  onMessage: (message: FromWorker) => void,
): MessagePort {
  const { port1, port2 } = new MessageChannel();
  port1.addEventListener('message', ({ data }: MessageEvent<FromWorker>) => onMessage(data));
  port1.start();
  worker.postMessage({ ...message, port: port2 }, [port2]);
  return port1;
}

function cancelOn(signal: AbortSignal | undefined, port: MessagePort): () => void {
  const cancel = (): void => port.postMessage({ type: 'cancel' } satisfies Cancel);
  signal?.addEventListener('abort', cancel);
  return () => signal?.removeEventListener('abort', cancel);
}

/** Messages in order, awaited one at a time. */
class Inbox<T> {
  readonly #waiting: T[] = [];
  #wake: (() => void) | undefined;

  push(message: T): void {
    this.#waiting.push(message);
    this.#wake?.();
  }

  async next(): Promise<T> {
    for (;;) {
      const message = this.#waiting.shift();
      if (message !== undefined) return message;
      await new Promise<void>((resolve) => {
        this.#wake = resolve;
      });
    }
  }
}

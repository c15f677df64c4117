import { releaseProxy, transfer, wrap } from 'comlink';
import type { Remote } from 'comlink';
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
import { installErrorHandler } from './protocol.ts';
import type { FromWorker, StreamRequest, ToWorker, WorkerApi } from './protocol.ts';
import { crashOf, sendable, started, WorkerStartError } from './started_worker.ts';

installErrorHandler();

/** An engine in a worker, with the interface of the engine on this thread. */
export class WorkerEngine implements EngineCore {
  readonly info: EngineInfo;
  readonly #worker: Worker;
  readonly #remote: Remote<WorkerApi>;
  readonly #crash: Promise<WebMlaError>;
  #disposed = false;

  private constructor(
    worker: Worker,
    remote: Remote<WorkerApi>,
    info: EngineInfo,
    crash: Promise<WebMlaError>,
  ) {
    this.#worker = worker;
    this.#remote = remote;
    this.info = info;
    this.#crash = crash;
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
    try {
      await started(worker, 'webmla/worker');
      throwIfAborted(signal);
      const crash = crashOf(worker);
      const remote = wrap<WorkerApi>(worker);
      const port = listen(new MessageChannel(), (message) => {
        if (message.type === 'progress') onProgress?.(message.progress);
      });
      const stopListening = cancelOn(signal, port.own);
      try {
        const created = remote.create(sendable(options), transfer(port.other, [port.other]));
        const info = await Promise.race([created, crash.then((error) => Promise.reject(error))]);
        return new WorkerEngine(worker, remote, info, crash);
      } finally {
        stopListening();
        port.own.close();
      }
    } catch (error) {
      worker.terminate();
      throw error instanceof WorkerStartError ? error : asWebMlaError(error);
    }
  }

  chat(request: ChatCompletionRequest, signal?: AbortSignal): AsyncGenerator<ChatCompletionChunk, void> {
    return this.#stream<ChatCompletionChunk>({ kind: 'chat', request }, signal);
  }

  complete(request: CompletionRequest, signal?: AbortSignal): AsyncGenerator<CompletionChunk, void> {
    return this.#stream<CompletionChunk>({ kind: 'completion', request }, signal);
  }

  async lost(): Promise<WebMlaError> {
    const error = await Promise.race([this.#remote.lost().then((e) => asWebMlaError(e)), this.#crash]);
    return this.#disposed ? new Promise<WebMlaError>(() => {}) : error;
  }

  dispose(): void {
    if (this.#disposed) return;
    this.#disposed = true;
    // The worker frees the GPU before it ends; terminating alone leaves that to the collector.
    void this.#remote.dispose().finally(() => {
      this.#remote[releaseProxy]();
      this.#worker.terminate();
    });
  }

  async *#stream<Chunk>(
    request: StreamRequest,
    signal: AbortSignal | undefined,
  ): AsyncGenerator<Chunk, void> {
    if (this.#disposed)
      throw new WebMlaError('engine_state', 'engine: expected one in use, got one disposed of');
    throwIfAborted(signal);
    const inbox = new Inbox<FromWorker>();
    const port = listen(new MessageChannel(), (message) => inbox.push(message));
    const stopListening = cancelOn(signal, port.own);
    void this.#crash.then((error) => inbox.push({ type: 'error', error: error.toJSON() }));
    try {
      await this.#remote.stream(request, transfer(port.other, [port.other]));
      for (;;) {
        const message = await inbox.next();
        if (message.type === 'end') return;
        if (message.type === 'error') throw asWebMlaError(message.error);
        // oxlint-disable-next-line no-unsafe-type-assertion -- the worker answers a request of one kind with chunks of that kind
        if (message.type === 'chunk') yield message.chunk as Chunk;
      }
    } finally {
      // Also when the caller left its loop: the worker must stop.
      port.own.postMessage({ type: 'cancel' } satisfies ToWorker);
      stopListening();
      port.own.close();
    }
  }
}

function listen(
  { port1, port2 }: MessageChannel,
  onMessage: (message: FromWorker) => void,
): { own: MessagePort; other: MessagePort } {
  port1.addEventListener('message', ({ data }: MessageEvent<FromWorker>) => onMessage(data));
  port1.start();
  return { own: port1, other: port2 };
}

function cancelOn(signal: AbortSignal | undefined, port: MessagePort): () => void {
  const cancel = (): void => port.postMessage({ type: 'cancel' } satisfies ToWorker);
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

import { expose } from 'comlink';
import { WebMlaError } from '../core/errors.ts';
import type { LocalEngine } from '../runtime/engine.ts';
import { openLocalEngine } from '../runtime/open.ts';
import { installErrorHandler } from './protocol.ts';
import type { FromWorker, StreamRequest, ToWorker, WorkerApi } from './protocol.ts';
import { READY, serializeError } from './messages.ts';

/** The worker's script: one engine, its calls and its streams. */

let engine: LocalEngine | undefined;

function send(port: MessagePort, message: FromWorker): void {
  port.postMessage(message);
}

/** A signal that fires when the other side sends 'cancel'. */
function signalOf(port: MessagePort): AbortSignal {
  const controller = new AbortController();
  port.addEventListener('message', ({ data }: MessageEvent<ToWorker>) => {
    if (data.type === 'cancel') controller.abort();
  });
  port.start();
  return controller.signal;
}

function running(): LocalEngine {
  if (engine) return engine;
  throw new WebMlaError('engine_state', 'worker: expected an engine, got none');
}

async function stream({ kind, request }: StreamRequest, port: MessagePort): Promise<void> {
  const signal = signalOf(port);
  try {
    const chunks = kind === 'chat' ? running().chat(request, signal) : running().complete(request, signal);
    for await (const chunk of chunks) send(port, { type: 'chunk', chunk });
    send(port, { type: 'end' });
  } catch (error) {
    send(port, { type: 'error', error: serializeError(error) });
  } finally {
    port.close();
  }
}

const api: WorkerApi = {
  async create(options, port) {
    if (engine) throw new WebMlaError('engine_state', 'worker: expected no engine yet, got one');
    const onProgress = (progress: Extract<FromWorker, { type: 'progress' }>['progress']): void =>
      send(port, { type: 'progress', progress });
    try {
      engine = await openLocalEngine(options, navigator.gpu, onProgress, signalOf(port));
      return engine.info;
    } finally {
      port.close();
    }
  },
  stream: (request, port) => void stream(request, port),
  lost: async () => serializeError(await running().lost()),
  dispose() {
    engine?.dispose();
    engine = undefined;
  },
};

installErrorHandler();
expose(api);
postMessage(READY);

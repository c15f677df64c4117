import { WebMlaError } from '../core/errors.ts';
import type { LocalEngine } from '../runtime/engine.ts';
import { openLocalEngine } from '../runtime/open.ts';
import type { OpenOptions } from '../runtime/open.ts';
import { READY, serializeError } from './messages.ts';
import type { Cancel, FromWorker, StreamRequest, ToWorker } from './protocol.ts';

/** The worker's script: one engine, its calls and its streams. */

let engine: LocalEngine | undefined;

function send(port: MessagePort, message: FromWorker): void {
  port.postMessage(message);
}

/** A signal that fires when the other side sends 'cancel'. */
function signalOf(port: MessagePort): AbortSignal {
  const controller = new AbortController();
  port.addEventListener('message', ({ data }: MessageEvent<Cancel>) => {
    if (data.type === 'cancel') controller.abort();
  });
  port.start();
  return controller.signal;
}

function running(): LocalEngine {
  if (engine) return engine;
  throw new WebMlaError('engine_state', 'worker: expected an engine, got none');
}

/** Its port stays open: the loss of the device is told through it. */
async function create(options: OpenOptions, port: MessagePort): Promise<void> {
  if (engine) throw new WebMlaError('engine_state', 'worker: expected no engine yet, got one');
  const onProgress = (progress: Extract<FromWorker, { type: 'progress' }>['progress']): void =>
    send(port, { type: 'progress', progress });
  const made = (engine = await openLocalEngine(options, navigator.gpu, onProgress, signalOf(port)));
  send(port, { type: 'created', info: made.info });
  const error = await made.lost();
  send(port, { type: 'lost', error: serializeError(error) });
}

async function stream(message: StreamRequest, port: MessagePort): Promise<void> {
  const signal = signalOf(port);
  const chunks =
    message.type === 'chat'
      ? running().chat(message.request, signal)
      : running().complete(message.request, signal);
  for await (const chunk of chunks) send(port, { type: 'chunk', chunk });
}

async function answer(message: ToWorker): Promise<void> {
  const { port } = message;
  try {
    if (message.type === 'create') await create(message.options, port);
    else if (message.type === 'dispose') {
      engine?.dispose();
      engine = undefined;
    } else await stream(message, port);
    send(port, { type: 'end' });
  } catch (error) {
    send(port, { type: 'error', error: serializeError(error) });
  } finally {
    port.close();
  }
}

addEventListener('message', ({ data }: MessageEvent<ToWorker>) => void answer(data));
postMessage(READY);

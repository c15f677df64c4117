import { convertModelSource } from '../runtime/convert_source.ts';
import type { ConvertTask, FromConverter } from './convert_protocol.ts';
import { layerThreads } from './layer_threads.ts';
import { READY, serializeError } from './messages.ts';

/** The script of the worker that converts before an engine is made. It stands alone, and is loaded by conversions only. */

function send(message: FromConverter): void {
  postMessage(message);
}

addEventListener('message', ({ data }: MessageEvent<ConvertTask>) => {
  convertModelSource(data, data.request, {
    gpu: async () => navigator.gpu,
    threads: layerThreads,
    onProgress: (progress) => send({ type: 'progress', progress }),
  }).then(
    (converted) => send({ type: 'converted', converted }),
    (error: unknown) => send({ type: 'error', error: serializeError(error) }),
  );
});
postMessage(READY);

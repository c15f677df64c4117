import { transferHandlers } from 'comlink';
import { asWebMlaError } from '../core/errors.ts';
import type { SerializedError } from '../core/errors.ts';
import type { OpenOptions } from '../runtime/open.ts';
import type {
  ChatCompletionChunk,
  ChatCompletionRequest,
  CompletionChunk,
  CompletionRequest,
  EngineInfo,
  LoadProgress,
} from '../runtime/types.ts';
import { serializeError } from './messages.ts';

/** What passes between a page and the worker that runs its engine. Calls go through Comlink, streams through a port each. */
export interface WorkerApi {
  /** Progress comes, and a cancel goes, through `port`. Once per worker. */
  create(options: OpenOptions, port: MessagePort): Promise<EngineInfo>;
  /** Chunks come through the port, and end with 'end' or 'error'. */
  stream(request: StreamRequest, port: MessagePort): void;
  /** Resolves when the device is lost. */
  lost(): Promise<SerializedError>;
  dispose(): void;
}

export type StreamRequest =
  | { readonly kind: 'chat'; readonly request: ChatCompletionRequest }
  | { readonly kind: 'completion'; readonly request: CompletionRequest };

export type ToWorker = { readonly type: 'cancel' };

export type FromWorker =
  | { readonly type: 'progress'; readonly progress: LoadProgress }
  | { readonly type: 'chunk'; readonly chunk: ChatCompletionChunk | CompletionChunk }
  | { readonly type: 'end' }
  | { readonly type: 'error'; readonly error: SerializedError };

/**
 * Comlink sends of a thrown error message, name and stack only; `code` and `hint` would be lost. Called on both sides, before
 * anything is wrapped or exposed.
 */
export function installErrorHandler(): void {
  const original = transferHandlers.get('throw');
  if (!original) throw new Error('comlink: expected a handler for thrown values, got none');
  transferHandlers.set('throw', {
    canHandle: (value): value is { value: unknown } => original.canHandle(value),
    serialize: ({ value }: { value: unknown }) => [serializeError(value), []],
    deserialize: (error: SerializedError): never => {
      throw asWebMlaError(error);
    },
  });
}

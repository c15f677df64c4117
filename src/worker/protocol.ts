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

/**
 * What passes between a page and the worker that runs its engine. Every message to the worker brings a port, through which it
 * is answered until 'end' or 'error', and through which it may be cancelled.
 */
export type ToWorker =
  /** Progress, then 'created', once per worker; 'lost' when the device is. */
  (
    | { readonly type: 'create'; readonly options: OpenOptions }
    /** Chunks. */
    | StreamRequest
    | { readonly type: 'dispose' }
  ) & { readonly port: MessagePort };

export type StreamRequest =
  | { readonly type: 'chat'; readonly request: ChatCompletionRequest }
  | { readonly type: 'completion'; readonly request: CompletionRequest };

/** Through the port. */
export type Cancel = { readonly type: 'cancel' };

export type FromWorker =
  | { readonly type: 'progress'; readonly progress: LoadProgress }
  | { readonly type: 'created'; readonly info: EngineInfo }
  | { readonly type: 'lost'; readonly error: SerializedError }
  | { readonly type: 'chunk'; readonly chunk: ChatCompletionChunk | CompletionChunk }
  | { readonly type: 'end' }
  | { readonly type: 'error'; readonly error: SerializedError };

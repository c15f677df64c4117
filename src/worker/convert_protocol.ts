import type { SerializedError } from '../core/errors.ts';
import type { ConversionRequest, ConvertedFiles } from '../runtime/convert_files.ts';
import type { EngineOptions, LoadProgress } from '../runtime/types.ts';

/** What passes between a page and the worker that converts: one task to it, progress and one answer back. It is then ended. */

export type ConvertTask = Pick<EngineOptions, 'model' | 'hub' | 'store'> & {
  readonly request: ConversionRequest;
};

export type FromConverter =
  | { readonly type: 'progress'; readonly progress: LoadProgress }
  | { readonly type: 'converted'; readonly converted: ConvertedFiles }
  | { readonly type: 'error'; readonly error: SerializedError };

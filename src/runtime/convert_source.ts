import { asWebMlaError } from '../core/errors.ts';
import { convertFiles } from './convert_files.ts';
import type { ConversionHost, ConversionRequest, ConvertedFiles } from './convert_files.ts';
import { openWithStore } from './open.ts';
import type { EngineOptions } from './types.ts';

/**
 * Finds a model's files as an engine does, through the store, and converts them.
 * @throws WebMlaError as openModelFiles and convertFiles do
 */
export async function convertModelSource(
  source: Pick<EngineOptions, 'model' | 'hub' | 'store'>,
  request: ConversionRequest,
  host: Omit<ConversionHost, 'store'>,
): Promise<ConvertedFiles> {
  const notes: string[] = [];
  try {
    const { files, store } = await openWithStore(source, notes, host.onProgress, host.signal);
    const converted = await convertFiles(files, request, { ...host, store });
    return { ...converted, notes: [...notes, ...converted.notes] };
  } catch (error) {
    throw asWebMlaError(error);
  }
}

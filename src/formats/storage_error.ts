import { WebMlaError } from '../core/errors.ts';

/** A failure of OPFS as WebMlaError `storage`. @param bytes that were to be written, for the message */
export function storageError(what: string, error: unknown, bytes?: number): WebMlaError {
  if (error instanceof WebMlaError) return error;
  const name = error instanceof Error ? error.name : '';
  const message = error instanceof Error ? error.message : String(error);
  const wanted = bytes === undefined ? 'a working store' : `room for ${bytes} bytes`;
  return new WebMlaError(
    'storage',
    `${what}: expected ${wanted}, got "${[name, message].filter(Boolean).join(': ')}"`,
    'Delete models that are not needed, free disk space, or go on without keeping the model.',
    bytes === undefined ? {} : { bytes },
    error,
  );
}

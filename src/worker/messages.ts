import { asWebMlaError } from '../core/errors.ts';
import type { SerializedError } from '../core/errors.ts';

/** First message of a worker: its script has run. Until then an `error` event means that it could not be loaded. */
export const READY = 'webmla worker ready';

/** Details may hold what cannot be cloned; JSON keeps what a reader can use. */
export function serializeError(error: unknown): SerializedError {
  const { code, message, hint, details } = asWebMlaError(error);
  return { code, message, hint, details: JSON.parse(JSON.stringify(details)) };
}

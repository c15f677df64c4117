import { WebMlaError } from '../../../src/core/errors.ts';

/** The WebMlaError that a promise is rejected with. Anything else fails the test. */
export async function errorOf(work: Promise<unknown>): Promise<WebMlaError> {
  try {
    await work;
  } catch (error) {
    if (error instanceof WebMlaError) return error;
    throw error;
  }
  throw new Error('expected a WebMlaError, got no error at all');
}

import type { WebMlaError } from '../../index.ts';

/** An error as it is shown, and stored with the message that it ended. */
export interface Failure {
  /** An ErrorCode, or that of another version. */
  readonly code: string;
  readonly message: string;
  readonly hint: string;
}

export function failureOf({ code, message, hint }: WebMlaError): Failure {
  return { code, message, hint };
}

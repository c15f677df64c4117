/** An error as it is shown, and stored with the message that it ended. */
export interface Failure {
  /** An ErrorCode, or that of another version. */
  readonly code: string;
  readonly message: string;
  readonly hint: string;
}

/** Of a WebMlaError, on this side of a worker or on the other, or of anything else that was thrown. */
export function failureOf(error: unknown): Failure {
  if (isFailure(error)) return { code: error.code, message: error.message, hint: error.hint };
  const message = error instanceof Error ? error.message : String(error);
  return { code: 'internal', message, hint: '' };
}

function isFailure(error: unknown): error is Failure {
  return (
    typeof error === 'object' &&
    error !== null &&
    'code' in error &&
    typeof error.code === 'string' &&
    'message' in error &&
    'hint' in error
  );
}

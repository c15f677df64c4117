/** The one error type of webmla. `code` is for programs, `message` says what was expected and what came, `hint` what to do. */

export type ErrorCode =
  /** The browser or the machine offers no WebGPU adapter. */
  | 'no_webgpu'
  /** The GPU went away (driver reset, sleep, tab in the background too long). The engine must be created again. */
  | 'device_lost'
  /** A buffer, binding or workgroup would exceed what the device allows. */
  | 'limit_exceeded'
  /** The device had no memory for a buffer. */
  | 'out_of_memory'
  /** A shader did not compile: always a bug in webmla or in the driver. */
  | 'shader_compile'
  /** The file is damaged or is not what its name says. */
  | 'bad_file'
  /** A tensor has another shape, or other values (NaN, infinity), than the configuration asks for. */
  | 'bad_tensor'
  /** A tensor, tokenizer or configuration file that the model needs is not there. */
  | 'missing_file'
  /** The file is sound but holds a data type, architecture or feature that webmla does not run. */
  | 'unsupported'
  /** The server could not be reached, cut the connection or answered with an error. */
  | 'network'
  /** The disk (OPFS) is full or may not be used. */
  | 'storage'
  /** An option or request field has a value that makes no sense. */
  | 'bad_request'
  /** The conversation does not fit into the context. */
  | 'context_full'
  /** The engine was disposed of, or is busy with another request. */
  | 'engine_state'
  /** The caller's AbortSignal fired. */
  | 'aborted'
  /** A bug in webmla. */
  | 'internal';

export type ErrorDetails = Readonly<Record<string, unknown>>;

export class WebMlaError extends Error {
  override readonly name = 'WebMlaError';
  readonly code: ErrorCode;
  readonly hint: string;
  readonly details: ErrorDetails;

  /**
   * @param message thing: expected ..., got ...
   * @param hint what the reader can do about it; '' when there is nothing
   */
  constructor(code: ErrorCode, message: string, hint = '', details: ErrorDetails = {}, cause?: unknown) {
    super(message, cause === undefined ? undefined : { cause });
    this.code = code;
    this.hint = hint;
    this.details = details;
  }

  /** Plain data: survives `postMessage` and JSON, which lose `code` of an Error. */
  toJSON(): SerializedError {
    return { code: this.code, message: this.message, hint: this.hint, details: this.details };
  }
}

export interface SerializedError {
  readonly code: ErrorCode;
  readonly message: string;
  readonly hint: string;
  readonly details: ErrorDetails;
}

export function isSerializedError(value: unknown): value is SerializedError {
  return (
    typeof value === 'object' && value !== null && 'code' in value && 'hint' in value && 'message' in value
  );
}

/** Gives back a WebMlaError as it is, and wraps anything else (a DOMException of an AbortSignal becomes `aborted`). */
export function asWebMlaError(error: unknown, code: ErrorCode = 'internal'): WebMlaError {
  if (error instanceof WebMlaError) return error;
  if (isSerializedError(error)) return new WebMlaError(error.code, error.message, error.hint, error.details);
  if (error instanceof Error && error.name === 'AbortError') {
    return new WebMlaError('aborted', 'The operation was cancelled.', '', {}, error);
  }
  const message = error instanceof Error ? error.message : String(error);
  return new WebMlaError(code, message, '', {}, error);
}

export function throwIfAborted(signal: AbortSignal | undefined): void {
  if (signal?.aborted)
    throw new WebMlaError('aborted', 'The operation was cancelled.', '', {}, signal.reason);
}

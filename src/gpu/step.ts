/**
 * What changes from one submit to the next, and nothing else does: shaders/parts/step.wgsl has the same fields in the same
 * order. Written with one small queue.writeBuffer before each submit.
 */
export interface Step {
  /** Position of the step's first token, which is also the number of rows that the cache already holds. */
  readonly position: number;
  /** Tokens of this step: 1 in decode, up to the chunk size in prefill. */
  readonly num_tokens: number;
  /** Pieces that attention cuts the cache rows into, and rows in each (the last may be short). */
  readonly num_splits: number;
  readonly split_len: number;
}

export const STEP_BYTES = 16;

export function writeStep(step: Step, out: Uint32Array<ArrayBuffer>): Uint32Array<ArrayBuffer> {
  out[0] = step.position;
  out[1] = step.num_tokens;
  out[2] = step.num_splits;
  out[3] = step.split_len;
  return out;
}

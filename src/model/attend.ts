import type { CacheFormat } from '../core/cache_rows.ts';
import type { BufferLike, Dispatch, Pipelines } from '../gpu/pipelines.ts';
import { attention_decode, decodeTuning, nearTuning } from '../kernels/attention_decode.ts';
import { attention_partial } from '../kernels/attention_partial.ts';
import type { DecodeTuning } from '../kernels/attention_decode.ts';
import type { AttentionBuffer, AttentionDims } from '../kernels/attention_partial.ts';
import type { APPEND, RowForm } from '../kernels/parts.ts';

export interface AttendParts {
  readonly cache: CacheFormat;
  readonly row: RowForm;
  readonly append: keyof typeof APPEND;
}

/** Attention of a layer over its cache, by the kernel that suits the shape, the device and the step: one of them runs. */
export function attendDispatches(
  pipelines: Pipelines,
  dims: AttentionDims,
  { row, ...parts }: AttendParts,
  buffers: Readonly<Record<AttentionBuffer | 'step', BufferLike>>,
  label: string,
): Dispatch[] {
  const far = decodeTuning(dims, row);
  if (!far || row === 'recon') {
    return [pipelines.dispatch(attention_partial, dims, { ...parts, row }, buffers, label)];
  }
  const decode = (tuning: DecodeTuning, splits?: 'one' | 'several'): Dispatch =>
    pipelines.dispatch(attention_decode, { ...dims, tuning, splits }, { ...parts, row }, buffers, label);
  const near = nearTuning(far, dims.adapter);
  return near ? [decode(near, 'one'), decode(far, 'several')] : [decode(far)];
}

import type { CacheFormat } from '../core/cache_rows.ts';
import type { BufferLike, Dispatch, Pipelines } from '../gpu/pipelines.ts';
import { attention_decode, decodeTuning } from '../kernels/attention_decode.ts';
import { attention_partial } from '../kernels/attention_partial.ts';
import type { AttentionBuffer, AttentionDims } from '../kernels/attention_partial.ts';
import { attention_prefill, prefillTuning } from '../kernels/attention_prefill.ts';
import type { APPEND, RowForm } from '../kernels/parts.ts';

export interface AttendParts {
  readonly cache: CacheFormat;
  readonly row: RowForm;
  readonly append: keyof typeof APPEND;
}

/** Attention of a layer over its cache, by the kernel that suits the shape and the device. */
export function attendDispatch(
  pipelines: Pipelines,
  dims: AttentionDims,
  { row, ...parts }: AttendParts,
  buffers: Readonly<Record<AttentionBuffer | 'step', BufferLike>>,
  label: string,
): Dispatch {
  const prefill = prefillTuning(dims);
  if (prefill && parts.append === 'none') {
    const { append } = parts;
    return pipelines.dispatch(
      attention_prefill,
      { ...dims, tuning: prefill },
      { ...parts, row, append },
      buffers,
      label,
    );
  }
  const tuning = decodeTuning(dims, row);
  return tuning && row !== 'recon'
    ? pipelines.dispatch(attention_decode, { ...dims, tuning }, { ...parts, row }, buffers, label)
    : pipelines.dispatch(attention_partial, dims, { ...parts, row }, buffers, label);
}

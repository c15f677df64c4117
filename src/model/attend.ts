import type { CacheFormat } from '../core/cache_rows.ts';
import type { BufferLike, Dispatch, Pipelines } from '../gpu/pipelines.ts';
import { attention_combine } from '../kernels/attention_combine.ts';
import { attention_decode, decodeTuning } from '../kernels/attention_decode.ts';
import { attention_partial } from '../kernels/attention_partial.ts';
import type { attentionBindings } from '../kernels/attention_partial.ts';
import type { AttentionLayout } from './attention.ts';

export type AttendBuffers = Readonly<Record<keyof ReturnType<typeof attentionBindings>, BufferLike>>;

/** Attention of a layer over its cache, and what joins its splits: by the kernel that suits the shape and the device. */
export function attendDispatches(
  pipelines: Pipelines,
  layout: AttentionLayout,
  tokens: number,
  cache: CacheFormat,
  buffers: AttendBuffers,
  label: string,
): Dispatch[] {
  const dims = { ...layout.attend, max_tokens: tokens };
  const { row } = layout;
  const tuning = decodeTuning(dims, row);
  const name = `${label}.attention`;
  const { partials, out, step } = buffers;
  return [
    tuning && row !== 'recon'
      ? pipelines.dispatch(attention_decode, { ...dims, tuning }, { cache, row }, buffers, name)
      : pipelines.dispatch(attention_partial, dims, { cache, row }, buffers, name),
    pipelines.dispatch(attention_combine, dims, {}, { partials, out, step }, `${label}.combine`),
  ];
}

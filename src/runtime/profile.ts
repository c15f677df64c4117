import { Buffers } from '../gpu/buffers.ts';
import type { Gpu } from '../gpu/device.ts';
import { Pipelines } from '../gpu/pipelines.ts';
import type { Dispatch } from '../gpu/pipelines.ts';
import { Stopwatch } from '../gpu/profile.ts';
import { stream_read } from '../kernels/stream_read.ts';
import { ratesOf } from '../model/cost_model.ts';
import type { DecodeCost, DeviceRates } from '../model/cost_model.ts';
import type { Plan } from '../model/plan.ts';

/** One kind of dispatch of a token: qkv_proj, attention, ..., of all layers in a row. */
export interface OperationProfile {
  readonly operation: string;
  readonly kernel: string;
  readonly dispatches: number;
  /** GPU time of one token's dispatches of this kind, run back to back. */
  readonly ms: number;
  readonly bytes: number;
  readonly gbs: number;
}

export interface DecodeProfile {
  /** GPU time of a whole token, its dispatches in their order. */
  readonly tokenMs: number;
  readonly operations: readonly OperationProfile[];
}

/** Beyond the caches of GPUs. */
const STREAM_BYTES = 512 * 2 ** 20;

/** GB/s of reading a buffer of so many bytes, by default more than any cache holds. */
export async function streamingRate(gpu: Gpu, streamBytes = STREAM_BYTES): Promise<number> {
  const limits = gpu.device.limits;
  const most = Math.min(streamBytes, limits.maxStorageBufferBindingSize, limits.maxBufferSize);
  const bytes = gpu.info.software ? 16 * 2 ** 20 : Math.floor(most / 4096) * 4096;
  const buffers = new Buffers(gpu.device);
  const stopwatch = new Stopwatch(gpu);
  try {
    const pipelines = new Pipelines(gpu.device);
    const dims = { quads: bytes / 16, threads: 256 * 1024 };
    const data = buffers.storage('stream', bytes);
    const dispatch = pipelines.dispatch(
      stream_read,
      dims,
      {},
      { data, out: buffers.storage('sums', dims.threads * 4) },
    );
    await pipelines.compileAll();
    const ms = await stopwatch.measure([dispatch], {
      position: 0,
      num_tokens: 1,
      num_splits: 1,
      split_len: 0,
    });
    return bytes / ms / 1e6;
  } finally {
    stopwatch.destroy();
    buffers.destroy();
  }
}

/** What a decoded token of a plan costs (model/cost_model.ts). */
export function decodeCost(plan: Plan): DecodeCost {
  const step = plan.step(0, 1);
  const weightBytes = [...plan.decode, ...plan.greedy]
    .filter(({ label }) => /(_proj|head|embed_q|unembed_out)$/.test(label))
    .reduce((sum, dispatch) => sum + dispatch.bytesMoved(step), 0);
  return { weightBytes, kvBytesPerToken: plan.kvBytesPerToken, dispatches: plan.dispatchesAt(0) };
}

/** Enough for a rate, and little beside a model. */
const RATE_BYTES = 128 * 2 ** 20;

/** Rates of this device, from a stream and from one token of a plan; null where it has no timestamps. */
export async function deviceRates(gpu: Gpu, plan: Plan): Promise<DeviceRates | null> {
  if (!gpu.device.features.has('timestamp-query')) return null;
  const bytesPerSecond = 1e9 * (await streamingRate(gpu, RATE_BYTES));
  const stopwatch = new Stopwatch(gpu);
  try {
    const token = [...plan.decode, ...plan.greedy];
    const ms = await stopwatch.measure(token, plan.step(0, 1));
    return ratesOf(decodeCost(plan), 0, bytesPerSecond, ms / 1000);
  } finally {
    stopwatch.destroy();
  }
}

/** GPU time of each kind of dispatch when one token is decoded behind `context` others. */
export async function profileDecode(gpu: Gpu, plan: Plan, context: number): Promise<DecodeProfile> {
  const kinds = new Map<string, Dispatch[]>();
  const step = plan.step(context, 1);
  const token = [...plan.decode, ...plan.greedy];
  for (const dispatch of token) {
    const { grid, label } = dispatch;
    if (typeof grid === 'function' && grid(step) === null) continue;
    const operation = label.replace(/^layers\.\d+\./, '');
    kinds.set(operation, [...(kinds.get(operation) ?? []), dispatch]);
  }
  const stopwatch = new Stopwatch(gpu);
  try {
    const operations: OperationProfile[] = [];
    for (const [operation, dispatches] of kinds) {
      const ms = await stopwatch.measure(dispatches, step);
      const bytes = dispatches.reduce((sum, dispatch) => sum + dispatch.bytesMoved(step), 0);
      const kernel = dispatches[0]?.pipeline.label ?? '';
      operations.push({ operation, kernel, dispatches: dispatches.length, ms, bytes, gbs: bytes / ms / 1e6 });
    }
    return { tokenMs: await stopwatch.measure(token, step), operations };
  } finally {
    stopwatch.destroy();
  }
}

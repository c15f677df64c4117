import type { Gpu } from '../gpu/device.ts';

/** How attention_partial shares its work out. A block is 4 (token, head) pairs. */
export interface AttentionTuning {
  readonly BLOCKS: number;
  /** Threads of a block. */
  readonly LANES: number;
  /** Cache rows in workgroup memory at a time. */
  readonly TILE: number;
}

export interface TunedShape {
  readonly heads_per_group: number;
  readonly max_tokens: number;
  readonly qk_dim: number;
  readonly v_dim: number;
  readonly staged_dim: number;
  readonly adapter: AttentionAdapter;
}

/** What the tuning must know of the device. */
export interface AttentionAdapter {
  /** A software adapter: a thread at a barrier costs 1 to 2 microseconds, and a byte of workgroup memory compile time. */
  readonly software: boolean;
  /** maxComputeWorkgroupStorageSize */
  readonly workgroupBytes: number;
  /** Threads that a subgroup has at least; 0: no subgroups. */
  readonly subgroupSize: number;
}

/** What the tuning needs to know of a device. */
export function adapterOf({ device, info }: Gpu): AttentionAdapter {
  return {
    software: info.software,
    workgroupBytes: device.limits.maxComputeWorkgroupStorageSize,
    subgroupSize: info.subgroupSize,
  };
}

/** WebGPU's smallest device. */
export const DEFAULT_ADAPTER: AttentionAdapter = { software: false, workgroupBytes: 16384, subgroupSize: 0 };

/** Leaves room for several workgroups on a core of a GPU. */
const COMFORTABLE_BYTES = 20480;
/** SwiftShader writes workgroup memory's zeros out one by one: 2 ms of compiling for 16 bytes. */
const SOFTWARE_BYTES = 8192;
const MAX_PAIRS = 16;
const MAX_THREADS = 256;

/** Quads between two staged rows: odd, so that threads at the same quad of different rows meet different banks. */
export function tilePitch(staged_dim: number): number {
  return (staged_dim / 4) | 1;
}

export function attentionTuning(shape: TunedShape): AttentionTuning {
  const { heads_per_group, max_tokens, qk_dim, adapter } = shape;
  const budget = Math.min(adapter.workgroupBytes, adapter.software ? SOFTWARE_BYTES : COMFORTABLE_BYTES);
  const pairs = heads_per_group * max_tokens;
  const most = Math.max(1, Math.min(MAX_PAIRS / 4, Math.floor(budget / 2 / (16 * qk_dim))));
  // As even as possible: 20 heads are 12 and 8, not 16 and 4.
  const BLOCKS = Math.ceil(pairs / Math.ceil(pairs / (4 * most)) / 4);
  const LANES = adapter.software
    ? Math.max(1, Math.floor(4 / BLOCKS))
    : 2 ** Math.floor(Math.log2(MAX_THREADS / BLOCKS));
  let TILE = 32;
  const bytes = (tile: number): number => workgroupBytes(shape, { BLOCKS, LANES, TILE: tile });
  while (TILE > (adapter.software ? 4 : 8) && bytes(TILE) > budget) TILE /= 2;
  while (TILE > 1 && bytes(TILE) > adapter.workgroupBytes) TILE /= 2;
  return { BLOCKS, LANES, TILE };
}

/** vec4f of the staged rows; in the end 5 of each thread that adds to another's output lie there. */
export function tileSlots({ staged_dim }: Pick<TunedShape, 'staged_dim'>, { TILE }: AttentionTuning): number {
  return TILE * tilePitch(staged_dim);
}

/** Threads of a block that share an output, each with its own rows of the tile. */
export function valueParts(shape: Pick<TunedShape, 'staged_dim' | 'v_dim'>, tuning: AttentionTuning): number {
  const { BLOCKS, LANES } = tuning;
  const quads = shape.v_dim / 4;
  const room = 1 + Math.floor(tileSlots(shape, tuning) / (5 * BLOCKS * quads));
  return Math.max(1, Math.min(BLOCKS === 1 ? 8 : 4, room, Math.floor(LANES / quads)));
}

export function workgroupBytes(shape: Omit<TunedShape, 'adapter'>, tuning: AttentionTuning): number {
  const { BLOCKS, TILE } = tuning;
  return 16 * (BLOCKS * shape.qk_dim + tileSlots(shape, tuning) + 2 * BLOCKS * TILE);
}

import type { Gpu } from '../gpu/device.ts';

/** How attention_partial shares its work out. A block is 4 (token, head) pairs. */
export interface AttentionTuning {
  readonly BLOCKS: number;
  /** Threads of a block and slice, each with keys of its own; divides TILE. */
  readonly LANES: number;
  /** Shares of a row's values, each with threads of its own. */
  readonly SLICES: number;
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

/** SwiftShader writes workgroup memory's zeros out one by one: 2 ms of compiling for 16 bytes. */
const SOFTWARE_BYTES = 8192;
const SOFTWARE_BLOCKS = 4;
const SOFTWARE_LANES = 4;
const SOFTWARE_TILES = [32, 16, 8, 4, 2, 1];
const MAX_THREADS = 256;
const MAX_LANES = 16;
/** Every thread adds the slices' scores up: of more slices there would be more of that than of scoring. */
const MAX_SLICES = 8;
/** Sums of a thread: 16 for each quad of V. */
const MAX_ITEMS = 4;
/** Blocks at most, and rows of a tile. */
// prettier-ignore
const SIZES = [[16, 32], [8, 32], [8, 16], [4, 16], [2, 16], [1, 16], [1, 8], [1, 4], [1, 2], [1, 1]] as const;
/** Tokens of a step from which its tiles are full. */
export const MANY_TOKENS = 32;

/** Quads between two staged rows: odd, so that threads at the same quad of different rows meet different banks. */
export function tilePitch(staged_dim: number): number {
  return (staged_dim / 4) | 1;
}

/** The larger blocks and tile are, the more each value is multiplied that was read: best first, and the smallest if none fits. */
export function attentionTuning(shape: TunedShape): AttentionTuning {
  let smallest: AttentionTuning = { BLOCKS: 1, LANES: 1, SLICES: 1, TILE: 1 };
  for (const tuning of shape.adapter.software ? softwareTunings(shape) : tunings(shape)) {
    if (workgroupBytes(shape, tuning) <= shape.adapter.workgroupBytes) return tuning;
    smallest = tuning;
  }
  return smallest;
}

/** Blocks of a workgroup, as even as possible: 20 heads are 12 and 8, not 16 and 4. */
function evenBlocks({ heads_per_group, max_tokens }: TunedShape, most: number): number {
  const pairs = heads_per_group * max_tokens;
  return Math.ceil(pairs / Math.ceil(pairs / (4 * most)) / 4);
}

function* tunings(shape: TunedShape): Generator<AttentionTuning> {
  const many = shape.max_tokens >= MANY_TOKENS;
  for (const [most, TILE] of SIZES) {
    const BLOCKS = many ? most : evenBlocks(shape, most);
    const LANES = Math.min(MAX_LANES, TILE);
    const least = Math.ceil(shape.v_dim / 4 / LANES / MAX_ITEMS);
    const room = Math.floor(MAX_THREADS / (BLOCKS * LANES));
    // A long step has workgroups enough: there every slice more is work more.
    for (let SLICES = many ? least : Math.min(room, Math.max(least, MAX_SLICES)); SLICES >= least; SLICES--) {
      if (SLICES <= room) yield { BLOCKS, LANES, SLICES, TILE };
    }
  }
}

/** Few threads, and few bytes. */
function* softwareTunings(shape: TunedShape): Generator<AttentionTuning> {
  const { qk_dim, adapter } = shape;
  const budget = Math.min(adapter.workgroupBytes, SOFTWARE_BYTES);
  const most = Math.floor(budget / 2 / (16 * qk_dim));
  const BLOCKS = evenBlocks(shape, Math.max(1, Math.min(SOFTWARE_BLOCKS, most)));
  for (const TILE of SOFTWARE_TILES) {
    const LANES = Math.min(TILE, 2 ** Math.floor(Math.log2(Math.max(1, SOFTWARE_LANES / BLOCKS))));
    const tuning = { BLOCKS, LANES, SLICES: 1, TILE };
    if (TILE <= 4 || workgroupBytes(shape, tuning) <= budget) yield tuning;
  }
}

/** Workgroup memory: queries, staged rows, weights, and what lanes and slices tell each other. */
export function workgroupBytes(
  { qk_dim, staged_dim }: Pick<TunedShape, 'qk_dim' | 'staged_dim'>,
  { BLOCKS, LANES, SLICES, TILE }: AttentionTuning,
): number {
  const queries = 4 * BLOCKS * ((qk_dim / 4) | 1);
  const shared = SLICES > 1 ? SLICES * BLOCKS * TILE : 1;
  return 16 * (queries + TILE * tilePitch(staged_dim) + BLOCKS * (TILE + 1 + LANES) + shared);
}

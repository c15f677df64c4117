import { WebMlaError } from '../core/errors.ts';
import type { AttentionShape } from './attention_shape.ts';
import type { LatentMaps } from './latent_maps.ts';
import { apply, diagonal, place, rowsOf, stackRows, zeros } from './linalg/matrix.ts';
import type { Matrix } from './linalg/matrix.ts';
import { congruence } from './linalg/multiply.ts';
import type { RopePair } from './rope_pairs.ts';
import { pairKeys, pairQueries } from './rope_pairs.ts';
import type { Moments } from './statistics.ts';

/**
 * The form that TransMLA and MHA2MLA share: strict, nothing centred, content of un-rotated keys taken as it stands.
 * @param down c_kv from y, [kv_lora_rank, 2gd]
 * @param up y without its rope pairs from c_kv, [2gd, kv_lora_rank]
 */
export function strictMaps(
  shape: AttentionShape,
  pairs: readonly RopePair[],
  down: Matrix,
  up: Matrix,
  moments: Moments,
): LatentMaps {
  const { groups, head_dim, width, ropeGain } = shape;
  const full = 2 * width;
  const rope = zeros(2 * pairs.length, full);
  place(rope, 0, 0, pairKeys(pairs, shape));
  const ropeMean = apply(rope, moments.mean);
  const second: Matrix = { rows: full, cols: full, data: Float64Array.from(moments.second) };
  const power = diagonal(congruence(rope, second));
  const keys = rowsOf(up, 0, width);
  return {
    form: 'strict',
    groups,
    head_dim,
    kv_lora_rank: down.rows,
    pairs: Uint32Array.from(pairs, ({ frequency }) => frequency),
    down: stackRows(down, rope),
    downBias: new Float64Array(down.rows + rope.rows),
    ropeRebuild: null,
    ropeRebuildBias: new Float64Array(0),
    ropeQuery: pairQueries(pairs, shape),
    keyUp: { ...keys, data: keys.data.map((x) => ropeGain * x) },
    valueUp: rowsOf(up, width, full),
    valueConstant: new Float64Array(width),
    ropeMean,
    ropeDeviation: power.map((x, p) => Math.sqrt(Math.max(x - (ropeMean[p] ?? 0) ** 2, 1e-12))),
    storedMean: null,
  };
}

/** @throws WebMlaError `bad_request` unless there is room for a latent beside the rope pairs */
export function latentRank({ width }: AttentionShape, row_dim: number, qk_rope_head_dim: number): number {
  const rank = row_dim - qk_rope_head_dim;
  if (Number.isInteger(row_dim) && rank >= 1 && row_dim <= 2 * width) return rank;
  throw new WebMlaError(
    'bad_request',
    `row_dim: expected ${qk_rope_head_dim + 1} to ${2 * width} values per token, got ${row_dim}`,
    `${2 * width} values are what the original model caches; ${qk_rope_head_dim} of them are the rope key.`,
  );
}

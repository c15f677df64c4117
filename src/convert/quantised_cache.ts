import type { LatentMaps } from './latent_maps.ts';
import {
  apply,
  besideColumns,
  columnsOf,
  entry,
  matrixOf,
  rowsOf,
  stackRows,
  transpose,
} from './linalg/matrix.ts';
import type { Matrix } from './linalg/matrix.ts';
import { multiply } from './linalg/multiply.ts';
import { randomOrthogonal } from './linalg/random_orthogonal.ts';

/**
 * What makes a cache fit to be quantised in groups, folded into the maps so that the kernels see nothing of it
 * (research/lab/README.md, step 9). Neither changes what the layer computes.
 */

/** Same rotation in every layer and every conversion. */
const ROTATION_SEED = 1;

/** Everything that a quantised cache wants. @param mean E[y] with every token counting the same, [2gd] */
export function forQuantisedCache(maps: LatentMaps, mean: Float64Array): LatentMaps {
  return rotateLatent(evenRopeKeys(centreLatent(maps, mean)));
}

/**
 * c_kv without its mean, so that a group spans what varies and nothing else. Constants of keys drop out of the softmax, those of
 * values and of rebuilt rope keys go into their own.
 */
export function centreLatent(maps: LatentMaps, mean: Float64Array): LatentMaps {
  const { kv_lora_rank: rank, down, downBias, ropeRebuild } = maps;
  const constant = apply(rowsOf(down, 0, rank), mean).map((x, i) => x + (downBias[i] ?? 0));
  const added = (up: Matrix, before: Float64Array): Float64Array<ArrayBuffer> => {
    const more = apply(columnsOf(up, 0, rank), constant);
    return Float64Array.from(before, (x, i) => x + (more[i] ?? 0));
  };
  return {
    ...maps,
    downBias: downBias.map((x, i) => (i < rank ? x - (constant[i] ?? 0) : x)),
    valueConstant: added(maps.valueUp, maps.valueConstant),
    ropeRebuildBias: ropeRebuild ? added(ropeRebuild, maps.ropeRebuildBias) : maps.ropeRebuildBias,
  };
}

/**
 * Rope pairs of equal size: pair p is stored divided by s_p, which queries and up maps take back.
 *  reuse   s_p² is the variance of the pair, and its mean is left out: the runtime adds it (rope_mean) after dequantising, as
 *          a rotated mean cannot be folded into anything
 *  strict  s_p² is the mean square; the stored key is rotated, so that it has no constant mean
 *  recon   stores no rope key: nothing to do
 */
export function evenRopeKeys(maps: LatentMaps): LatentMaps {
  if (maps.form === 'recon') return maps;
  const { kv_lora_rank: rank, ropeMean, ropeDeviation, form } = maps;
  const count = maps.pairs.length;
  const size = Float64Array.from({ length: 2 * count }, (_, i) => {
    const square = (k: number): number =>
      (ropeDeviation[k] ?? 0) ** 2 + (form === 'strict' ? (ropeMean[k] ?? 0) ** 2 : 0);
    const p = i % count;
    return Math.sqrt((square(p) + square(p + count)) / 2) || 1;
  });
  const stored = ropeMean.map((mean, i) => mean / (size[i] ?? 1));
  const scale = (i: number): number => (i < rank ? 1 : (size[i - rank] ?? 1));
  const down = matrixOf(maps.down.rows, maps.down.cols, (i, j) => entry(maps.down, i, j) / scale(i));
  const widen = (up: Matrix): Matrix => matrixOf(up.rows, up.cols, (i, j) => entry(up, i, j) * scale(j));
  const mean = form === 'reuse' ? stored : null;
  return {
    ...maps,
    down,
    downBias: maps.downBias.map((x, i) => x / scale(i) - (i < rank ? 0 : (mean?.[i - rank] ?? 0))),
    ropeQuery: matrixOf(
      maps.ropeQuery.rows,
      maps.ropeQuery.cols,
      (i, j) => entry(maps.ropeQuery, i, j) * (size[i % (2 * count)] ?? 1),
    ),
    keyUp: widen(maps.keyUp),
    valueUp: widen(maps.valueUp),
    ropeMean: stored,
    ropeDeviation: ropeDeviation.map((x, i) => x / (size[i] ?? 1)),
    storedMean: mean,
  };
}

/** c_kv under a fixed random rotation, so that no value of a group is much larger than the others. */
export function rotateLatent(maps: LatentMaps, seed = ROTATION_SEED): LatentMaps {
  const { kv_lora_rank: rank, down, keyUp, valueUp, ropeRebuild } = maps;
  const q = randomOrthogonal(rank, seed);
  const back = transpose(q);
  const bias = multiply(back, { rows: rank, cols: 1, data: maps.downBias.subarray(0, rank) });
  const downBias = maps.downBias.slice();
  downBias.set(bias.data);
  const turn = (up: Matrix): Matrix =>
    besideColumns(multiply(columnsOf(up, 0, rank), q), columnsOf(up, rank, up.cols));
  return {
    ...maps,
    down: stackRows(multiply(back, rowsOf(down, 0, rank)), rowsOf(down, rank, down.rows)),
    downBias,
    keyUp: turn(keyUp),
    valueUp: turn(valueUp),
    ropeRebuild: ropeRebuild && turn(ropeRebuild),
  };
}

import type { Linear } from '../core/layers.ts';
import type { LatentMaps } from './latent_maps.ts';
import { apply, rowsOf } from './linalg/matrix.ts';
import type { Matrix } from './linalg/matrix.ts';
import { congruence } from './linalg/multiply.ts';
import { linearOf, weightOf } from './linear_weights.ts';
import type { Moments } from './statistics.ts';

/**
 * The tensors of a converted layer that the refinement trains (research/lab, `adam_layer`): every map but the one that recon
 * rebuilds rope keys with, and o_proj. Keys, values and queries of a token, before rope, are the original layer's.
 */
export const TRAINED = [
  'down',
  'downBias',
  'ropeQuery',
  'keyUp',
  'valueUp',
  'valueConstant',
  'outputWeight',
  'outputBias',
] as const;
export type TrainedName = (typeof TRAINED)[number];

/** Shapes as in LatentMaps; outputWeight [hidden_size, heads * head_dim], outputBias [hidden_size]. */
export type TrainedValues = Readonly<Record<TrainedName, Float64Array<ArrayBuffer>>>;

export function trainedValues(maps: LatentMaps, o_proj: Linear): TrainedValues {
  const weight = weightOf(o_proj);
  return {
    down: maps.down.data,
    downBias: maps.downBias,
    ropeQuery: maps.ropeQuery.data,
    keyUp: maps.keyUp.data,
    valueUp: maps.valueUp.data,
    valueConstant: maps.valueConstant,
    outputWeight: weight.data,
    outputBias: Float64Array.from({ length: weight.rows }, (_, i) => o_proj.bias?.[i] ?? 0),
  };
}

/**
 * The layer with other values in those tensors.
 * @param plain moments of y with every token counting the same: what rope keys are like now follows from them
 */
export function withTrainedValues(
  maps: LatentMaps,
  o_proj: Linear,
  values: TrainedValues,
  plain: Moments,
): { maps: LatentMaps; o_proj: Linear } {
  const like = ({ rows, cols }: Matrix, data: Float64Array<ArrayBuffer>): Matrix => ({ rows, cols, data });
  const { down, downBias, valueConstant } = values;
  const trained = {
    ...maps,
    down: like(maps.down, down),
    downBias,
    ropeQuery: like(maps.ropeQuery, values.ropeQuery),
    keyUp: like(maps.keyUp, values.keyUp),
    valueUp: like(maps.valueUp, values.valueUp),
    valueConstant,
  };
  return {
    maps: { ...trained, ...ropeKeyMoments(trained, plain) },
    o_proj: linearOf(like(weightOf(o_proj), values.outputWeight), values.outputBias),
  };
}

/** Mean and deviation of the rope keys that lie in the row; recon has none. */
function ropeKeyMoments(
  maps: LatentMaps,
  { mean, second }: Moments,
): Pick<LatentMaps, 'ropeMean' | 'ropeDeviation'> {
  if (maps.form === 'recon') return { ropeMean: maps.ropeMean, ropeDeviation: maps.ropeDeviation };
  const rope = rowsOf(maps.down, maps.kv_lora_rank, maps.down.rows);
  const centre = apply(rope, mean);
  const size = mean.length;
  const squares = congruence(rope, { rows: size, cols: size, data: Float64Array.from(second) });
  return {
    ropeMean: centre.map((x, i) => x + (maps.downBias[maps.kv_lora_rank + i] ?? 0)),
    ropeDeviation: centre.map((x, i) =>
      Math.sqrt(Math.max((squares.data[i * (squares.cols + 1)] ?? 0) - x ** 2, 1e-12)),
    ),
  };
}

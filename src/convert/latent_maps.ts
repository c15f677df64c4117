import type { LatentForm } from '../core/layers.ts';
import { checkFinite } from './linalg/matrix.ts';
import type { Matrix } from './linalg/matrix.ts';

/**
 * A converted layer before it meets the weights: what every method of conversion ends in. y = [k ; v] are a token's keys and
 * values before rope, 2gd values; x its cache row [c_kv | k_pe] (in recon c_kv alone); P rope pairs, half-split (re of all, im
 * of all); head h belongs to group j.
 *
 *   x       = down y + downBias
 *   k_rope  = k_pe (+ storedMean), in recon ropeRebuild x + ropeRebuildBias         rotated with the frequencies of `pairs`
 *   q_rope  = ropeQuery[j] q_h                                                      rotated likewise
 *   score   = head_dim^(-1/2) (q_h . keyUp[j] x + q_rope . k_rope)
 *   v_j     = valueUp[j] x + valueConstant[j]
 *
 * keyUp and valueUp read c_kv in strict, and the whole row in reuse and recon.
 */
export interface LatentMaps {
  readonly form: LatentForm;
  readonly groups: number;
  readonly head_dim: number;
  readonly kv_lora_rank: number;
  /** Frequency index of each rope pair, [P]. */
  readonly pairs: Uint32Array<ArrayBuffer>;
  /** [row_dim, 2gd] */
  readonly down: Matrix;
  /** [row_dim] */
  readonly downBias: Float64Array<ArrayBuffer>;
  /** recon: [2P, kv_lora_rank]; else null */
  readonly ropeRebuild: Matrix | null;
  /** recon: [2P]; else empty */
  readonly ropeRebuildBias: Float64Array<ArrayBuffer>;
  /** [g * 2P, head_dim] */
  readonly ropeQuery: Matrix;
  /** [g * head_dim, v_dim]: row i of group j is row j * head_dim + i */
  readonly keyUp: Matrix;
  /** [g * head_dim, v_dim] */
  readonly valueUp: Matrix;
  /** [g * head_dim] */
  readonly valueConstant: Float64Array<ArrayBuffer>;
  /** Mean and standard deviation of the rope key before rotation, [2P]: what a quantised cache is scaled by. */
  readonly ropeMean: Float64Array<ArrayBuffer>;
  readonly ropeDeviation: Float64Array<ArrayBuffer>;
  /** reuse with a quantised cache: the mean that was taken out of k_pe and is added when it is read, [2P]; else null. */
  readonly storedMean: Float64Array<ArrayBuffer> | null;
}

/** What a method says of its own choice, for the report. */
export interface MethodOutcome {
  readonly maps: LatentMaps;
  readonly spectrum: Spectrum;
  /** Expected squared error of the attention output, of methods that predict it; else null. */
  readonly predictedError: number | null;
  /** Energy of keys and values in the same metric, E of what predictedError is an error of; else null. */
  readonly outputEnergy: number | null;
}

/** Eigenvalues of the low-rank step, descending: what the cache keeps of the layer, and what it loses. */
export interface Spectrum {
  readonly kept: readonly number[];
  readonly dropped: readonly number[];
}

export function spectrumOf(values: Float64Array, kept: number): Spectrum {
  const positive = Array.from(values, (value) => Math.max(0, value));
  return { kept: positive.slice(0, kept), dropped: positive.slice(kept) };
}

/** @throws WebMlaError `bad_tensor` when a map is not finite */
export function checkMaps(maps: LatentMaps): LatentMaps {
  checkFinite('down map', maps.down.data);
  checkFinite('down bias', maps.downBias);
  checkFinite('rope query map', maps.ropeQuery.data);
  checkFinite('key map', maps.keyUp.data);
  checkFinite('value map', maps.valueUp.data);
  checkFinite('value constant', maps.valueConstant);
  if (maps.ropeRebuild) checkFinite('rope rebuild map', maps.ropeRebuild.data);
  return maps;
}

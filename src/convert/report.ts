import type { LatentForm } from '../core/layers.ts';
import type { Candidate } from './candidates.ts';
import type { Spectrum } from './latent_maps.ts';

/** What the conversion did to one layer. */
export interface LayerReport {
  readonly layer: number;
  /** 'exact' is GQA written as MLA without loss. */
  readonly method: 'exact' | 'webmla' | 'transmla' | 'mha2mla';
  readonly form: LatentForm;
  readonly kv_lora_rank: number;
  readonly qk_rope_head_dim: number;
  /** Frequency index of each rope pair. */
  readonly ropePairs: readonly number[];
  /** Values cached per token, before and after. */
  readonly gqaValues: number;
  readonly mlaValues: number;
  /** Elements that the conversion adds to the layer's weights: the up-projections. */
  readonly addedWeights: number;
  /** Eigenvalues of the low-rank step that are in the latent, and that are not; null when nothing was decomposed. */
  readonly spectrum: Spectrum | null;
  /** Expected squared error of the attention output; null for methods that predict none. */
  readonly predictedError: number | null;
  /** What predictedError is a part of: the energy of keys and values in the metric of the output; null where there is none. */
  readonly outputEnergy: number | null;
  /** Training of the layer's maps; absent: none was asked for. */
  readonly refinement?: Refinement;
}

/** Losses are |out - wanted|² / |wanted|² of the layer's attention output on rows that were not trained on, before any refit. */
export interface Refinement {
  readonly steps: number;
  readonly heldOutRows: number;
  readonly lossBefore: number;
  readonly lossAfter: number;
  /** The loss did not fall: the layer is what it was before. */
  readonly undone: boolean;
}

/** What a cache does to the rows that were held back from the calibration. */
export interface Measured {
  /** Of a token in all layers, as it turned out. */
  readonly bytes: number;
  /** Of ln perplexity, over the original with an f32 cache. */
  readonly rise: number;
  readonly perplexity: number;
}

/** A cache that was thought of. */
export interface CandidateReport extends Candidate {
  /** Part of the energy of keys and values that was expected to be lost; null: not predicted. */
  readonly expectedLoss: number | null;
  /** What that was thought to cost when it was measured, or given up; null: there was nothing to judge it by. */
  readonly estimatedRise: number | null;
  /** Without refit. null: not worth measuring, or nothing to measure on. */
  readonly measured: Measured | null;
}

/** The converted model on the rows that were held back. */
export interface HeldOut extends Measured {
  readonly windows: number;
  /** Tokens scored. */
  readonly tokens: number;
  readonly originalPerplexity: number;
  /** Mean KL(original || converted) a token, in nats. */
  readonly kl: number;
  readonly top1Agreement: number;
}

/** Time of a decoded token by the cost model (model/cost_model.ts), with rates measured on this device. */
export interface DecodePrediction {
  readonly bytesPerSecond: number;
  readonly dispatchSeconds: number;
  readonly rows: readonly { readonly context: number; readonly gqaMs: number; readonly latentMs: number }[];
  /** The latent is faster from this context on; null: never. */
  readonly crossover: number | null;
}

/** Why a conversion is what it is. */
export interface ConversionReport {
  readonly kvBudget: number | null;
  readonly maxLoss: number | null;
  /** Of a token in all layers: the model's own f16 keys and values. */
  readonly gqaBytes: number;
  readonly chosen: Candidate;
  /** All that was thought of, the measured ones first. Empty where nothing was open. */
  readonly candidates: readonly CandidateReport[];
  /** The model's own keys and values in other dtypes; measured where they fit the same bytes. */
  readonly rivals: readonly CandidateReport[];
  /** The rival that does better than the converted model at no more bytes (maxLoss: that does it with fewer); null: none. */
  readonly better: CandidateReport | null;
  /** null: no rows were held back. */
  readonly heldOut: HeldOut | null;
  /** maxLoss: refit and refinement did harm on the rows that were held back, and were left out. */
  readonly refitUndone: boolean;
  /** null: nothing was measured, or the device has no timestamps. */
  readonly decode: DecodePrediction | null;
}

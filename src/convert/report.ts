import type { LatentForm } from '../core/layers.ts';
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

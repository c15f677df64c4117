/** What the conversion did to one layer. */
export interface LayerReport {
  readonly layer: number;
  /** 'exact' */
  readonly method: string;
  readonly kv_lora_rank: number;
  readonly qk_rope_head_dim: number;
  /** Values cached per token, before and after. */
  readonly gqaValues: number;
  readonly mlaValues: number;
  /** Elements that the conversion adds to the layer's weights: the up-projections. */
  readonly addedWeights: number;
}

/** What is fused, where a measurement might say otherwise on some GPU. Each can be switched off alone. */
export interface Tuning {
  /** In decode attention stores the step's cache row itself; else store_rows is a dispatch of its own. */
  readonly append: boolean;
  /** embed_q and unembed_out are multiplied into their neighbours where that pays (fold.ts). */
  readonly fold: boolean;
  /** Prompts of a few tokens go through matmul_narrow; else through the tiles of long ones. */
  readonly narrow: boolean;
}

export const TUNING: Tuning = { append: true, fold: true, narrow: true };

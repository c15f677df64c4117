import type { ModelConfig } from '../core/config.ts';
import type { DecoderEnds, DecoderLayer, FoldableMla, GqaAttention, MlaAttention } from '../core/layers.ts';
import type { LatentConfig, LatentLayer } from '../formats/latent_config.ts';

/** Where a model's weights come from, layer by layer: a checkpoint (weight_reader.ts), or a random generator. */
export interface DecoderSource {
  readonly config: ModelConfig;
  /** Not null: layers are read by latentLayer. */
  readonly latent: LatentConfig | null;
  layer(index: number): Promise<DecoderLayer<GqaAttention>>;
  /** Where it is there, layers are these, in order and each once: of a conversion under way. */
  convertedLayer?(index: number): Promise<DecoderLayer<MlaAttention>>;
  /** @param fold with products of its matrices made ahead where that pays (model/fold.ts) */
  latentLayer?(index: number, layer: LatentLayer, fold: boolean): Promise<DecoderLayer<FoldableMla>>;
  ends(): Promise<DecoderEnds>;
  /** What was chosen for the user, in words. */
  notes(): string[];
}

import type { ModelConfig } from '../core/config.ts';
import type { DecoderEnds, DecoderLayer, GqaAttention, MlaAttention } from '../core/layers.ts';
import type { LatentConfig, LatentLayer } from '../formats/latent_config.ts';

/** Where a model's weights come from, layer by layer: a checkpoint (weight_reader.ts), or a random generator. */
export interface DecoderSource {
  readonly config: ModelConfig;
  /** Not null: layers are read by latentLayer. */
  readonly latent: LatentConfig | null;
  layer(index: number): Promise<DecoderLayer<GqaAttention>>;
  latentLayer?(index: number, layer: LatentLayer): Promise<DecoderLayer<MlaAttention>>;
  ends(): Promise<DecoderEnds>;
  /** What was chosen for the user, in words. */
  notes(): string[];
}

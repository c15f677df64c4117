import type { ModelConfig } from '../core/config.ts';
import { WebMlaError } from '../core/errors.ts';
import { yarnRange } from '../core/rope.ts';
import type { JsonObject } from '../formats/json_source.ts';

/**
 * `rope_scaling` of a checkpoint whose rotary table is d_r = head_dim / fold wide and has every fold-th frequency of the original,
 * as transformers' DeepseekV3Config reads it (4.5x as it stands, 5 as rope_parameters). Scalings that look at a frequency alone
 * stay as they are; YaRN counts pairs, and its bounds move with the fold.
 * @throws WebMlaError `unsupported` for what no such table is
 */
export function deepseekRope(
  config: Pick<ModelConfig, 'head_dim' | 'rope_theta' | 'rope_scaling'>,
  fold: number,
): JsonObject | null {
  const { head_dim, rope_theta, rope_scaling: scaling } = config;
  switch (scaling.rope_type) {
    case 'default':
      return null;
    case 'linear':
    case 'llama3':
      return { ...scaling };
    case 'dynamic':
      // Beyond the original context its base depends on the width of the table.
      if (fold !== 1) throw refuse('dynamic', 'a rope key as wide as a head');
      return { rope_type: 'dynamic', factor: scaling.factor };
    case 'yarn': {
      if (fold === 1) return { ...scaling };
      const { original_max_position_embeddings: length } = scaling;
      const [low, high] = yarnRange(scaling, head_dim, rope_theta);
      // transformers keeps the upper bound within the table.
      if (high > head_dim - fold) throw refuse('yarn', 'a rope key as wide as a head');
      const turns = (pair: number): number => length / (2 * Math.PI * rope_theta ** ((2 * pair) / head_dim));
      return { ...scaling, truncate: false, beta_fast: turns(low), beta_slow: turns(high) };
    }
  }
}

function refuse(rope_type: string, expected: string): WebMlaError {
  return new WebMlaError(
    'unsupported',
    `rope_scaling ${rope_type}: expected ${expected} for a DeepSeek export, got one that is folded`,
    'Convert with --qk-rope-head-dim of the size of head_dim.',
  );
}

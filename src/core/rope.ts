import type { ModelConfig, RopeScaling } from './config.ts';

/**
 * Rotary position embedding: pair f of a head turns by position * inv_freq[f].
 * Formulas: transformers, src/transformers/modeling_rope_utils.py; YaRN: arXiv 2309.00071; llama3: Llama 3.1 release.
 */

/** @returns inv_freq [rotaryDim / 2], radians a position, rounded to f32 as transformers holds them */
export function ropeFrequencies(
  config: Pick<ModelConfig, 'head_dim' | 'mla' | 'rope_theta' | 'rope_scaling'>,
): Float32Array {
  const { rope_theta, rope_scaling } = config;
  const width = rotaryDim(config);
  const plain = Float64Array.from({ length: width / 2 }, (_, f) => rope_theta ** ((-2 * f) / width));
  return Float32Array.from(scaleFrequencies(plain, width, rope_theta, rope_scaling));
}

/** Twice the frequencies of the rotary table: the width of a head, in DeepSeek's layout of its rope part. */
export function rotaryDim({ head_dim, mla }: Pick<ModelConfig, 'head_dim' | 'mla'>): number {
  return mla?.qk_rope_head_dim ?? head_dim;
}

/** Pairs between which YaRN goes from the frequency as it is to the one divided by `factor`. */
export function yarnRange(
  scaling: Extract<RopeScaling, { rope_type: 'yarn' }>,
  head_dim: number,
  rope_theta: number,
): [low: number, high: number] {
  const { original_max_position_embeddings, beta_fast, beta_slow, truncate } = scaling;
  /** The pair that makes `turns` turns within the original context. */
  const pairOf = (turns: number): number =>
    (head_dim * Math.log(original_max_position_embeddings / (turns * 2 * Math.PI))) /
    (2 * Math.log(rope_theta));
  const [low, high] = [pairOf(beta_fast), pairOf(beta_slow)];
  return [
    Math.max(truncate ? Math.floor(low) : low, 0),
    Math.min(truncate ? Math.ceil(high) : high, head_dim - 1),
  ];
}

/** What cos and sin are multiplied with: 1 except for YaRN. */
export function ropeAttentionFactor(scaling: RopeScaling): number {
  return scaling.rope_type === 'yarn' ? scaling.attention_factor : 1;
}

function scaleFrequencies(
  plain: Float64Array,
  head_dim: number,
  rope_theta: number,
  scaling: RopeScaling,
): Float64Array {
  switch (scaling.rope_type) {
    case 'default':
    case 'dynamic':
      return plain;
    case 'linear':
      return plain.map((w) => w / scaling.factor);
    case 'llama3': {
      const { factor, low_freq_factor, high_freq_factor, original_max_position_embeddings } = scaling;
      return plain.map((w) => {
        const turns = (original_max_position_embeddings * w) / (2 * Math.PI);
        if (turns < low_freq_factor) return w / factor;
        if (turns > high_freq_factor) return w;
        const smooth = (turns - low_freq_factor) / (high_freq_factor - low_freq_factor);
        return ((1 - smooth) * w) / factor + smooth * w;
      });
    }
    case 'yarn': {
      const { factor } = scaling;
      const [low, end] = yarnRange(scaling, head_dim, rope_theta);
      const high = low === end ? end + 0.001 : end;
      return plain.map((w, f) => {
        const ramp = Math.min(1, Math.max(0, (f - low) / (high - low)));
        return (w / factor) * ramp + w * (1 - ramp);
      });
    }
  }
}

/**
 * The table that the kernels rotate with. The angle is rounded to f32 before cos and sin, as transformers does, because
 * GPUs do not promise accurate cos of large angles.
 * @returns [positions, frequencies, 2] (cos, sin), f32
 */
export function cosSinTable(
  inv_freq: Float32Array,
  positions: number,
  attentionFactor: number,
): Float32Array<ArrayBuffer> {
  const frequencies = inv_freq.length;
  const table = new Float32Array(positions * frequencies * 2);
  for (let position = 0; position < positions; position++) {
    for (let f = 0; f < frequencies; f++) {
      const angle = Math.fround(position * (inv_freq[f] ?? 0));
      const at = (position * frequencies + f) * 2;
      table[at] = Math.cos(angle) * attentionFactor;
      table[at + 1] = Math.sin(angle) * attentionFactor;
    }
  }
  return table;
}

import type { RopeScaling } from '../core/config.ts';
import { WebMlaError } from '../core/errors.ts';
import { ropeFrequencies } from '../core/rope.ts';

/**
 * llama.cpp writes llama3 scaling as a tensor rope_freqs.weight of divisors, one for each frequency, and not the four
 * numbers they came from (convert_hf_to_gguf.py, LlamaModel.generate_extra_tensors: high_freq_factor is always 4 there).
 * All models of the family use low_freq_factor 1 and 8,192; the other lengths cost nothing to try.
 */
const ORIGINAL_CONTEXTS = [8192, 2048, 4096, 16384, 32768, 65536, 131072];
/** Divisors are computed in f32 by torch; a wrong guess is off by percents. */
const TOLERANCE = 1e-4;

/**
 * The scaling whose divisors are `factors`, or null when there is none to be found.
 * @param factors [head_dim / 2]
 */
export function scalingOfFactors(
  factors: Float32Array,
  head_dim: number,
  rope_theta: number,
): RopeScaling | null {
  if (factors.every((factor) => factor === 1)) return { rope_type: 'default' };
  const plain = ropeFrequencies({ head_dim, rope_theta, rope_scaling: { rope_type: 'default' } });
  for (const original_max_position_embeddings of ORIGINAL_CONTEXTS) {
    const rope_scaling: RopeScaling = {
      rope_type: 'llama3',
      factor: factors.reduce((a, b) => Math.max(a, b)),
      low_freq_factor: 1,
      high_freq_factor: 4,
      original_max_position_embeddings,
    };
    const scaled = ropeFrequencies({ head_dim, rope_theta, rope_scaling });
    const same = factors.every((factor, f) => {
      const expected = (plain[f] ?? 0) / (scaled[f] ?? 1);
      return Math.abs(factor - expected) <= TOLERANCE * expected;
    });
    if (same) return rope_scaling;
  }
  return null;
}

/** @throws WebMlaError `unsupported` when `factors` are not those of a llama3 scaling: they are never ignored */
export function requireScaling(
  factors: Float32Array,
  head_dim: number,
  rope_theta: number,
  file: string,
): RopeScaling {
  const scaling = scalingOfFactors(factors, head_dim, rope_theta);
  if (scaling) return scaling;
  throw new WebMlaError(
    'unsupported',
    `${file}: rope_freqs.weight: expected the divisors of a llama3 scaling, got ` +
      `${[...factors.subarray(0, 6)].join(', ')}, ...`,
    'webmla does not compute this position embedding. The original safetensors of the model may work.',
  );
}

import { at } from './at.ts';

/**
 * Adds up what attention_reach made of every pair of 64-token tiles (i of queries, j <= i of keys).
 * @param received_parts [groups, tiles, tiles * 64]
 * @param distance_parts [groups, tiles, tiles, 128]: entry D < 127 is for
 *   t - n = 64 (i - j) + D - 63, the last is padding
 * @returns received [tokens], histogram [groups, tokens]
 */
export function reach_sums(
  received_parts: ArrayLike<number>,
  distance_parts: ArrayLike<number>,
  groups: number,
  tiles: number,
  tokens: number,
): { received: Float64Array; histogram: Float64Array } {
  const received = new Float64Array(tokens);
  const histogram = new Float64Array(groups * tokens);
  const used = Math.ceil(tokens / 64);
  for (let g = 0; g < groups; g++) {
    for (let i = 0; i < used; i++) {
      for (let n = 0; n < Math.min(tokens, (i + 1) * 64); n++) {
        received[n] = at(received, n) + at(received_parts, (g * tiles + i) * tiles * 64 + n);
      }
      for (let j = 0; j <= i; j++) {
        for (let d = 0; d < 127; d++) {
          const distance = 64 * (i - j) + d - 63;
          if (distance < 0 || distance >= tokens) continue;
          const entry = g * tokens + distance;
          histogram[entry] =
            at(histogram, entry) + at(distance_parts, ((g * tiles + i) * tiles + j) * 128 + d);
        }
      }
    }
  }
  return { received, histogram };
}

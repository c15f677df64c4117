import type { ModelConfig } from '../core/config.ts';
import { WebMlaError } from '../core/errors.ts';
import { ropeAttentionFactor } from '../core/rope.ts';
import type { LayerStatistics } from './statistics.ts';

/** What the algebra needs to know of a model. Groups are KV heads; y = [k ; v] has 2 * groups * head_dim values. */
export interface AttentionShape {
  readonly heads: number;
  readonly groups: number;
  readonly head_dim: number;
  /** head_dim / 2 */
  readonly frequencies: number;
  /** groups * head_dim: values of all keys of a token, and of all values. */
  readonly width: number;
  /**
   * What rotation multiplies a score with: YaRN's attention_factor, squared because cos and sin of both query and key carry
   * it. Content that takes the place of rotated pairs must be multiplied by the same.
   */
  readonly ropeGain: number;
}

export type AttentionConfig = Pick<
  ModelConfig,
  'num_attention_heads' | 'num_key_value_heads' | 'head_dim' | 'rope_scaling'
>;

export function attentionShape({
  num_attention_heads: heads,
  num_key_value_heads: groups,
  head_dim,
  rope_scaling,
}: AttentionConfig): AttentionShape {
  const ropeGain = ropeAttentionFactor(rope_scaling) ** 2;
  return { heads, groups, head_dim, frequencies: head_dim / 2, width: groups * head_dim, ropeGain };
}

/** Index of a key's value in y: frequency f of group j, real (part 0) or imaginary (part 1); HF's half-split layout. */
export function keyIndex(
  { head_dim, frequencies }: AttentionShape,
  j: number,
  part: number,
  f: number,
): number {
  return j * head_dim + part * frequencies + f;
}

/** @throws WebMlaError `bad_tensor` for statistics of another model */
export function checkStatistics(shape: AttentionShape, statistics: LayerStatistics): void {
  const { groups, head_dim, heads, frequencies } = shape;
  const full = 2 * shape.width;
  const lengths: [string, Float64Array, number][] = [
    ['plain.mean', statistics.plain.mean, full],
    ['plain.second', statistics.plain.second, full * full],
    ['attended.mean', statistics.attended.mean, full],
    ['attended.second', statistics.attended.second, full * full],
    ['queries', statistics.queries, groups * head_dim * head_dim],
    ['spreadQueries', statistics.spreadQueries, groups * head_dim * head_dim],
    ['spread', statistics.spread, heads],
    ['rotation', statistics.rotation, groups * frequencies * 2],
  ];
  for (const [name, values, length] of lengths) {
    if (values.length === length) continue;
    throw new WebMlaError(
      'bad_tensor',
      `statistics ${name}: expected ${length} values, got ${values.length}`,
      'The statistics belong to another model. Calibrate again.',
    );
  }
}

import type { Step } from '../gpu/step.ts';
import { decodeTuning } from '../kernels/attention_decode.ts';
import { attentionRows } from '../kernels/attention_partial.ts';
import type { AttentionLayout } from './attention.ts';

/** num_splits * num_tokens at most, where attention is split: bounds the buffer of partial sums. */
export const MAX_PARTIALS = 256;
/** Workgroups that keep a large GPU's memory busy: each has about 8 kB of rows on their way. */
const TARGET_WORKGROUPS = 384;
/** Below that, joining splits costs more than they save. */
const MIN_ROWS = 256;
/** Rows that make a split worth its partial sums. */
const MIN_SPLIT = 64;
/** split_len is a multiple of the largest tile. */
const LEN_STEP = 32;

export type Split = Pick<Step, 'num_splits' | 'split_len'>;

/**
 * How the cache is split: enough workgroups to fill the GPU, none with fewer rows than it is worth, and no more partial sums
 * than there is room for. A step has one split for all layers, so the layer that has the fewest workgroups decides.
 */
export function cacheSplitter(
  layers: readonly Pick<AttentionLayout, 'attend' | 'row'>[],
): (position: number, num_tokens: number) => Split {
  // In decode a workgroup has fewer pairs than in prefill.
  const shapes = layers.map(({ attend, row }) => {
    const one = { ...attend, max_tokens: 1 };
    const tuning = decodeTuning(one, row);
    return {
      groups: attend.groups,
      heads: attend.heads_per_group,
      decode: tuning?.HEADS ?? attentionRows(one),
      prefill: attentionRows(attend),
    };
  });
  return (position, num_tokens) => {
    const rows = position + num_tokens;
    const blocks = shapes.reduce((fewest, { groups, heads, decode, prefill }) => {
      const pairs = num_tokens === 1 ? decode : prefill;
      return Math.min(fewest, groups * Math.ceil((num_tokens * heads) / pairs));
    }, TARGET_WORKGROUPS);
    const wanted = Math.min(
      rows < MIN_ROWS ? 1 : Math.floor(rows / MIN_SPLIT),
      Math.ceil(TARGET_WORKGROUPS / blocks),
      Math.floor(MAX_PARTIALS / num_tokens),
    );
    const split_len = Math.ceil(rows / Math.max(1, wanted) / LEN_STEP) * LEN_STEP;
    return { num_splits: Math.ceil(rows / split_len), split_len };
  };
}

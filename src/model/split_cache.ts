import type { Step } from '../gpu/step.ts';
import { decodeTuning } from '../kernels/attention_decode.ts';
import { attentionRows } from '../kernels/attention_partial.ts';
import type { AttentionLayout } from './attention.ts';

/** num_splits * num_tokens at most, where attention is split: bounds the buffer of partial sums. */
export const MAX_PARTIALS = 256;
/**
 * Workgroups that keep a large GPU busy: of attention_partial, and of attention_decode, of which an H200 runs about 264 at a
 * time where a thread has three heads, and twice as many where it has fewer. One more than that, and all take twice as long.
 */
const TARGET_WORKGROUPS = { partial: 384, decode: 256, lean: 512 } as const;
const MANY_HEADS = 3;
/** Below that, joining splits costs more than they save: a dispatch a layer, which takes a browser about 6 microseconds. */
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
    const { partial, decode, lean } = TARGET_WORKGROUPS;
    return {
      groups: attend.groups,
      heads: attend.heads_per_group,
      decode: {
        pairs: tuning?.HEADS ?? attentionRows(one),
        target: !tuning ? partial : tuning.HEADS < MANY_HEADS ? lean : decode,
      },
      prefill: { pairs: attentionRows(attend), target: partial },
    };
  });
  return (position, num_tokens) => {
    const rows = position + num_tokens;
    const most = shapes.reduce((splits, { groups, heads, decode, prefill }) => {
      const { pairs, target } = num_tokens === 1 ? decode : prefill;
      return Math.max(splits, Math.ceil(target / (groups * Math.ceil((num_tokens * heads) / pairs))));
    }, 1);
    const wanted = Math.min(
      rows < MIN_ROWS ? 1 : Math.floor(rows / MIN_SPLIT),
      most,
      Math.floor(MAX_PARTIALS / num_tokens),
    );
    const split_len = Math.ceil(rows / Math.max(1, wanted) / LEN_STEP) * LEN_STEP;
    return { num_splits: Math.ceil(rows / split_len), split_len };
  };
}

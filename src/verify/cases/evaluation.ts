import { compare_logits as compareKernel } from '../../kernels/compare_logits.ts';
import { score_tokens as scoreKernel } from '../../kernels/score_tokens.ts';
import { compare_logits } from '../../reference/compare_logits.ts';
import { score_tokens } from '../../reference/score_tokens.ts';
import { kernelCase } from '../kernel_case.ts';
import type { KernelCase } from '../kernel_case.ts';
import { Material, padRows } from '../material.ts';

/** [vocab_size, tokens, position] */
const SHAPES = [
  [1, 1, 0],
  [255, 3, 2],
  [257, 2, 0],
  [5000, 4, 7],
] as const;

/** Values [tokens, 2] at `position` of [context, 2], zeros before. */
function placed(values: Float64Array, position: number): Float32Array {
  const out = new Float32Array(2 * position + values.length);
  out.set(values, 2 * position);
  return out;
}

export function scoreCases(): KernelCase[] {
  return SHAPES.map(([vocab_size, count, position], index) => {
    const m = new Material(9600 + index);
    const context = position + count + 2;
    const logits = m.floats(count * vocab_size, 12);
    const tokens = m.integers(context, vocab_size);
    const want = score_tokens(logits, vocab_size, tokens.subarray(position + 1));
    return kernelCase(scoreKernel, {
      name: `${count} tokens, ${vocab_size} logits`,
      dims: { vocab_size, context, max_tokens: count },
      parts: {},
      step: { position, num_tokens: count },
      buffers: { logits: padRows(logits, vocab_size), tokens, scores: new Float32Array(2 * context) },
      expected: { scores: { as: 'f32', values: placed(want, position), tolerance: 'f32' } },
    });
  });
}

export function compareCases(): KernelCase[] {
  return SHAPES.map(([vocab_size, count, position], index) => {
    const m = new Material(9650 + index);
    const context = position + count + 2;
    const other = m.floats(count * vocab_size, 6);
    // The last token's row is the same; in the others ties of the maximum occur.
    const noise = m.floats(other.length, 0.5);
    const alike = (count - 1) * vocab_size;
    for (let t = 0; t < count; t++) other[t * vocab_size + Math.floor(vocab_size / 2)] = 6.25;
    if (vocab_size > 1) other[vocab_size - 1] = 6.25;
    const logits = other.map((x, i) => (i < alike ? x + (noise[i] ?? 0) : x));
    const next = new Uint32Array(count);
    const scores = score_tokens(logits, vocab_size, next);
    const others = score_tokens(other, vocab_size, next);
    const room = (values: Float64Array): Float32Array<ArrayBuffer> => {
      const out = new Float32Array(2 * context);
      out.set(placed(values, position));
      return out;
    };
    const want = placed(compare_logits(logits, other, vocab_size), position);
    return kernelCase(compareKernel, {
      name: `${count} tokens, ${vocab_size} logits`,
      dims: { vocab_size, context, max_tokens: count },
      parts: {},
      step: { position, num_tokens: count },
      buffers: {
        logits: padRows(logits, vocab_size),
        other: padRows(other, vocab_size),
        scores: room(scores),
        other_scores: room(others),
        comparison: new Float32Array(2 * context),
      },
      expected: { comparison: { as: 'f32', values: want, tolerance: 'f32' } },
    });
  });
}

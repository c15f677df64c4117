import type { ModelConfig } from '../core/config.ts';
import type { DecoderLayer, GqaAttention } from '../core/layers.ts';
import { attentionShape } from './attention_shape.ts';
import { weightOf } from './linear_weights.ts';
import { diagonal, rowsOf, scaleColumns, stackRows, zeros } from './linalg/matrix.ts';
import type { Matrix } from './linalg/matrix.ts';
import { multiplyTransposed } from './linalg/multiply.ts';
import type { LayerStatistics, Moments } from './statistics.ts';

/**
 * Statistics of few tokens, drawn towards what the weights alone say. A norm leaves x with squares of about input_layernorm², so
 * that W diag(input_layernorm²) Wᵀ is what W x is like when nothing is known of a text. Moments of fewer tokens than a layer has
 * keys and values are singular: directions that were not seen count for nothing, and a conversion that leaves them out babbles.
 *
 * @param priorTokens what the weights say weighs as much as so many tokens
 */
export function shrinkStatistics(
  config: ModelConfig,
  { input_layernorm, self_attn }: DecoderLayer<GqaAttention>,
  statistics: LayerStatistics,
  priorTokens: number,
): LayerStatistics {
  const { heads, groups, head_dim, width } = attentionShape(config);
  const share = priorTokens / (priorTokens + statistics.tokens);
  const scaled = (weight: Matrix): Matrix => scaleColumns(weight, input_layernorm);
  const y = scaled(stackRows(weightOf(self_attn.k_proj), weightOf(self_attn.v_proj)));
  const q = scaled(weightOf(self_attn.q_proj));
  const prior = multiplyTransposed(y, y);
  const queries = zeros(groups * head_dim, head_dim);
  for (let head = 0; head < heads; head++) {
    const one = rowsOf(q, head * head_dim, (head + 1) * head_dim);
    const own = multiplyTransposed(one, one);
    const group = Math.floor((head * groups) / heads) * head_dim * head_dim;
    own.data.forEach((value, i) => {
      queries.data[group + i] = (queries.data[group + i] ?? 0) + value;
    });
  }
  return {
    ...statistics,
    plain: shrinkMoments(statistics.plain, prior, width, share),
    attended: shrinkMoments(statistics.attended, prior, width, share),
    queries: shrinkGroups(statistics.queries, queries.data, head_dim, share),
    spreadQueries: shrinkGroups(statistics.spreadQueries, queries.data, head_dim, share),
  };
}

/** About their mean, which stays; keys and values are each as large as they were seen. */
function shrinkMoments(
  { weight, mean, second }: Moments,
  prior: Matrix,
  width: number,
  share: number,
): Moments {
  const size = mean.length;
  const seen = Float64Array.from(mean, (value, i) => (second[i * size + i] ?? 0) - value * value);
  const guessed = diagonal(prior);
  const scales = [0, width].map((from) =>
    Math.sqrt(sum(seen.subarray(from, from + width)) / sum(guessed.subarray(from, from + width))),
  );
  const scale = (i: number): number => scales[i < width ? 0 : 1] ?? 0;
  const shrunk = second.map((value, at) => {
    const [i, j] = [Math.floor(at / size), at % size];
    const constant = (mean[i] ?? 0) * (mean[j] ?? 0);
    const guess = scale(i) * scale(j) * (prior.data[at] ?? 0);
    return (1 - share) * (value - constant) + share * guess + constant;
  });
  return { weight, mean, second: shrunk };
}

/** Each group's matrix on its own, at the trace that it has. */
function shrinkGroups(
  seen: Float64Array,
  prior: Float64Array,
  head_dim: number,
  share: number,
): Float64Array {
  const size = head_dim * head_dim;
  const result = new Float64Array(seen.length);
  for (let from = 0; from < seen.length; from += size) {
    const [own, guess] = [seen, prior].map((all) => all.subarray(from, from + size));
    if (!own || !guess) continue;
    const scale = traceOf(own, head_dim) / traceOf(guess, head_dim);
    result.set(
      own.map((value, i) => (1 - share) * value + share * scale * (guess[i] ?? 0)),
      from,
    );
  }
  return result;
}

function traceOf(matrix: Float64Array, size: number): number {
  return sum(Float64Array.from({ length: size }, (_, i) => matrix[i * size + i] ?? 0));
}

function sum(values: Float64Array): number {
  return values.reduce((total, value) => total + value, 0);
}

import { describe, expect, test } from 'vitest';
import { meanDiagonal } from '../../../src/convert/linalg/matrix.ts';
import { shrinkStatistics } from '../../../src/convert/shrunk_statistics.ts';
import { runModel } from '../../../src/reference/model.ts';
import { calibrated, convertedLogits } from './calibrated.ts';

const FEW = [[5, 17, 42, 8, 71, 23, 64, 3]];
const OTHERS = [11, 70, 7, 55, 31, 76, 2, 48, 19, 73, 60, 36];

const distance = (a: Float32Array, b: Float32Array): number =>
  Math.sqrt(a.reduce((sum, value, i) => sum + (value - b[i]!) ** 2, 0) / a.length);

describe.each(['llama_bias', 'mistral_mha'])('%s, statistics of eight tokens', async (name) => {
  const few = await calibrated(name, FEW);
  const { config, layers } = few;
  const shrunk = (priorTokens: number) => ({
    ...few,
    statistics: few.statistics.map((one, i) => shrinkStatistics(config, layers[i]!, one, priorTokens)),
  });

  test('stay what they are when the weights count for nothing', () => {
    for (const [i, { plain, queries }] of shrunk(0).statistics.entries()) {
      plain.second.forEach((value, at) =>
        expect(value).toBeCloseTo(few.statistics[i]!.plain.second[at]!, 10),
      );
      expect(queries).toEqual(few.statistics[i]!.queries);
    }
  });

  test('keep means and sizes', () => {
    const size = 2 * config.num_key_value_heads * config.head_dim;
    for (const [i, { attended, spreadQueries }] of shrunk(8).statistics.entries()) {
      const before = few.statistics[i]!;
      expect(attended.mean).toEqual(before.attended.mean);
      const trace = (second: Float64Array): number =>
        meanDiagonal({ rows: size, cols: size, data: Float64Array.from(second) });
      expect(trace(attended.second)).toBeCloseTo(trace(before.attended.second), 8);
      expect(spreadQueries).toHaveLength(before.spreadQueries.length);
      expect(spreadQueries).not.toEqual(before.spreadQueries);
    }
  });

  test('convert better', () => {
    const original = runModel(config, few.ends, layers, OTHERS, 'gqa');
    const width = config.num_key_value_heads * config.head_dim;
    const method = { method: 'webmla', form: 'reuse', row_dim: width } as const;
    const [raw, drawn] = [few, shrunk(8)].map((one) => convertedLogits(one, OTHERS, method).logits);
    expect(distance(drawn!, original)).toBeLessThan(0.9 * distance(raw!, original));
  });
});

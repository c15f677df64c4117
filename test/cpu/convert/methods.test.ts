import { beforeAll, describe, expect, test } from 'vitest';
import { attentionShape } from '../../../src/convert/attention_shape.ts';
import { forQuantisedCache } from '../../../src/convert/quantised_cache.ts';
import { convertLayer } from '../../../src/convert/convert_layer.ts';
import type { MethodOptions } from '../../../src/convert/convert_layer.ts';
import { matrixOf, rowsOf, transpose } from '../../../src/convert/linalg/matrix.ts';
import { multiply } from '../../../src/convert/linalg/multiply.ts';
import { lowestPoint } from '../../../src/convert/lattice_search.ts';
import { weightOf } from '../../../src/convert/linear_weights.ts';
import { pairsOfFrequency } from '../../../src/convert/query_weighted_pairs.ts';
import { contentTarget, pairKeys, pairQueries } from '../../../src/convert/rope_pairs.ts';
import { freqFoldCandidates } from '../../../src/convert/transmla.ts';
import { chooseRopePairs, convertWebmla } from '../../../src/convert/webmla.ts';
import type { WebmlaOptions } from '../../../src/convert/webmla.ts';
import { webmlaProblem } from '../../../src/convert/webmla_problem.ts';
import { randomStream } from '../../../src/core/rng.ts';
import { runModel } from '../../../src/reference/model.ts';
import { calibrated, convertedLogits, relative } from './calibrated.ts';
import type { Calibrated } from './calibrated.ts';

const next = randomStream(5);
const randomIds = (length: number, vocabulary: number): number[] =>
  Array.from({ length }, () => 3 + Math.floor(next() * (vocabulary - 3)));

const models = new Map<string, Calibrated>();
const model = (name: string): Calibrated => models.get(name)!;
const NAMES = ['llama_bias', 'qwen2_yarn', 'mistral_mha'];
const FORMS = ['strict', 'reuse', 'recon'] as const;
const ids = randomIds(24, 80);

beforeAll(async () => {
  for (const name of NAMES) {
    models.set(
      name,
      await calibrated(
        name,
        Array.from({ length: 6 }, () => randomIds(32, 80)),
      ),
    );
  }
}, 120_000);

describe.each(NAMES)('%s', (name) => {
  const gqa = (): Float32Array => {
    const { config, ends, layers } = model(name);
    return runModel(config, ends, layers, ids, 'gqa');
  };
  const full = (): { row_dim: number; pairs: number } => {
    const { groups, head_dim } = attentionShape(model(name).config);
    return { row_dim: 2 * groups * head_dim, pairs: (groups * head_dim) / 2 };
  };

  test.each(FORMS)('%s: full rank with every rope pair is lossless', (form) => {
    const want = gqa();
    for (const tokens of ['attended', 'plain'] as const) {
      const { logits } = convertedLogits(model(name), ids, { method: 'webmla', form, tokens, ...full() });
      expect(relative(logits, want)).toBeLessThan(1e-4);
    }
  });

  test.each(FORMS)('%s: naive, absorbed, and both for a quantised cache are one function', (form) => {
    const row_dim = 17;
    const options: MethodOptions = { method: 'webmla', form, row_dim };
    const { logits: absorbed, reports } = convertedLogits(model(name), ids, options);
    expect(relative(absorbed, gqa())).toBeGreaterThan(1e-3);
    expect(relative(convertedLogits(model(name), ids, options, 'naive').logits, absorbed)).toBeLessThan(2e-5);
    const folded = { quantisedCache: true };
    for (const way of ['naive', 'absorbed'] as const) {
      expect(relative(convertedLogits(model(name), ids, options, way, folded).logits, absorbed)).toBeLessThan(
        1e-4,
      );
    }
    for (const { mlaValues, ropePairs, spectrum, qk_rope_head_dim } of reports) {
      expect(mlaValues).toBe(row_dim);
      expect(qk_rope_head_dim).toBe(2 * ropePairs.length);
      expect(spectrum!.kept.length).toBe(form === 'recon' ? row_dim : row_dim - qk_rope_head_dim);
    }
  });

  test('maps for a quantised cache: rope keys of mean 0 and deviation 1, latents of mean 0, over all tokens alike', () => {
    const { config, layers, statistics } = model(name);
    const row_dim = 17;
    for (const form of ['strict', 'reuse'] as const) {
      const { maps, attention } = convertLayer(
        config,
        0,
        layers[0]!.self_attn,
        statistics[0]!,
        { method: 'webmla', form, row_dim },
        { quantisedCache: true },
      );
      const { mean, second } = statistics[0]!.plain;
      const { down, downBias, kv_lora_rank, pairs } = forQuantisedCache(maps, mean);
      const count = pairs.length;
      expect(attention.rope_mean?.length ?? 0).toBe(form === 'reuse' ? 2 * count : 0);
      for (let i = 0; i < kv_lora_rank; i++) {
        const row = down.data.subarray(i * down.cols, (i + 1) * down.cols);
        expect(Math.abs(row.reduce((sum, x, c) => sum + x * mean[c]!, downBias[i]!))).toBeLessThan(1e-9);
      }
      for (let p = 0; p < count; p++) {
        const square = [p, p + count].map((i) => {
          const row = down.data.subarray((kv_lora_rank + i) * down.cols, (kv_lora_rank + i + 1) * down.cols);
          const bias = downBias[kv_lora_rank + i]!;
          const centre = row.reduce((sum, x, c) => sum + x * mean[c]!, bias);
          if (form === 'reuse') expect(Math.abs(centre)).toBeLessThan(1e-9);
          let moment = bias * (2 * centre - bias);
          row.forEach((x, c) => row.forEach((y, d) => (moment += x * y * second[c * down.cols + d]!)));
          return moment;
        });
        expect((square[0]! + square[1]!) / 2).toBeCloseTo(1, 6);
      }
    }
  });

  test('predicted errors fall with the budget, and the chosen pairs are the best of all', () => {
    const { config, layers, statistics } = model(name);
    const shape = attentionShape(config);
    const widest = full();
    layers.forEach(({ self_attn }, i) => {
      const problem = webmlaProblem(shape, weightOf(self_attn.o_proj), statistics[i]!, 'attended');
      const predicted = (options: Omit<WebmlaOptions, 'method'>): number =>
        convertWebmla(problem, { method: 'webmla', ...options }).predictedError!;
      for (const form of FORMS) {
        // Pairs come in fours, so that a little more than a budget of eight may be worse than eight.
        const budgets = [3, 16, 24, widest.row_dim];
        const errors = budgets.map((row_dim) => predicted({ form, row_dim }));
        expect(errors).toEqual(errors.toSorted((x, y) => y - x));
        expect(errors[0]).toBeGreaterThan(1.05 * errors[3]!);
      }
      for (const form of ['strict', 'reuse'] as const) {
        for (const row_dim of [10, 16, 24, widest.row_dim]) {
          const most = Math.min(Math.floor((row_dim - 1) / 2), widest.pairs);
          const all = Array.from({ length: Math.floor(most / 4) }, (_, p) =>
            predicted({ form, row_dim, pairs: 4 * (p + 1) }),
          );
          expect(predicted({ form, row_dim })).toBeLessThanOrEqual(1.02 * Math.min(...all) + 1e-12);
        }
      }
      const pairs = chooseRopePairs(problem, 'reuse', 16);
      expect(predicted({ form: 'reuse', row_dim: 16 })).toBeLessThan(
        predicted({ form: 'strict', row_dim: 16, pairs }) + 1e-12,
      );
    });
  });

  test('exportable: the rotary table of a narrower head, and no pair twice', () => {
    const { config } = model(name);
    for (const fold of [1, 2]) {
      const pairs = config.head_dim / 2 / fold;
      const row_dim = full().row_dim - 2;
      if (row_dim <= 2 * pairs) continue;
      const options: MethodOptions = { method: 'webmla', form: 'strict', row_dim, pairs, exportable: true };
      const { logits, reports } = convertedLogits(model(name), ids, options);
      for (const { ropePairs } of reports)
        expect(ropePairs).toEqual(Array.from({ length: pairs }, (_, i) => i * fold));
      expect(logits.every(Number.isFinite)).toBe(true);
    }
  });
});

test.each([[[2]], [[4, 5, 6]]])(
  'all components of the frequencies %j together are the key itself',
  (members) => {
    const { config, layers, statistics } = model('mistral_mha');
    const shape = attentionShape(config);
    const { second, energies, rotation } = webmlaProblem(
      shape,
      weightOf(layers[0]!.self_attn.o_proj),
      statistics[0]!,
      'attended',
    );
    const pairs = pairsOfFrequency(second, shape, members, energies, rotation);
    expect(pairs.length).toBe(members.length * shape.groups);
    const inside = (i: number): boolean => members.includes((i % shape.head_dim) % shape.frequencies);
    // What is left for content: the other frequencies, turned by nothing.
    const rest = contentTarget(pairs, shape, null);
    expect(
      relative(rest.data, matrixOf(shape.width, shape.width, (i, j) => (i === j && !inside(i) ? 1 : 0)).data),
    ).toBeLessThan(1e-9);
    // Scores: q_ropeᵀ k_rope = qᵀ k on those frequencies.
    const keys = pairKeys(pairs, shape);
    const queries = pairQueries(pairs, shape);
    for (let g = 0; g < shape.groups; g++) {
      const own = rowsOf(queries, g * keys.rows, (g + 1) * keys.rows);
      const want = matrixOf(shape.head_dim, shape.width, (i, j) =>
        j === g * shape.head_dim + i && inside(i) ? 1 : 0,
      );
      expect(relative(multiply(transpose(own), keys).data, want.data)).toBeLessThan(1e-9);
    }
  },
);

test('statistics that are not finite, or of another model, give the typed error', () => {
  const { config, layers, statistics } = model('llama_bias');
  const methods: MethodOptions[] = [
    { method: 'webmla', form: 'reuse', row_dim: 16 },
    { method: 'transmla', row_dim: 16, qk_rope_head_dim: 8, freqfold: 1 },
  ];
  for (const method of methods) {
    for (const value of [Number.NaN, Infinity]) {
      const second = statistics[0]!.plain.second.slice();
      second[3] = value;
      const broken = {
        ...statistics[0]!,
        plain: { ...statistics[0]!.plain, second },
        attended: { ...statistics[0]!.plain, second },
      };
      expect(() => convertLayer(config, 0, layers[0]!.self_attn, broken, method)).toThrow(
        expect.objectContaining({ code: 'bad_tensor' }),
      );
    }
    const other = model('qwen2_yarn').statistics[0]!;
    expect(() => convertLayer(config, 0, layers[0]!.self_attn, other, method)).toThrow(
      expect.objectContaining({ code: 'bad_tensor' }),
    );
  }
});

test('budgets that cannot be give the typed error', () => {
  const { config, layers, statistics } = model('llama_bias');
  const impossible: MethodOptions[] = [
    { method: 'webmla', form: 'reuse', row_dim: 33 },
    { method: 'webmla', form: 'reuse', row_dim: 16, pairs: 8 },
    { method: 'webmla', form: 'recon', row_dim: 16, pairs: 9 },
    { method: 'webmla', form: 'reuse', row_dim: 16, exportable: true },
    { method: 'webmla', form: 'strict', row_dim: 16, exportable: true, pairs: 3 },
    { method: 'transmla', row_dim: 8, qk_rope_head_dim: 8, freqfold: 1 },
    { method: 'transmla', row_dim: 16, qk_rope_head_dim: 8, freqfold: 3 },
    { method: 'transmla', row_dim: 16, qk_rope_head_dim: 7, freqfold: 'auto' },
    { method: 'mha2mla', row_dim: 16, ropePairsPerHead: 5, selection: 'low', svd: 'joint' },
    { method: 'mha2mla', row_dim: 16, ropePairsPerHead: 4, selection: 'low', svd: 'joint' },
  ];
  for (const method of impossible) {
    expect(() => convertLayer(config, 0, layers[0]!.self_attn, statistics[0]!, method)).toThrow(
      expect.objectContaining({ code: 'bad_request' }),
    );
  }
});

test('full rank is lossless on text that a calibration of six tokens knows nothing of', async () => {
  for (const name of ['llama_bias', 'qwen2_yarn']) {
    const short = await calibrated(name, [randomIds(6, 80)]);
    const { config, ends, layers } = short;
    const want = runModel(config, ends, layers, ids, 'gqa');
    const { groups, head_dim } = attentionShape(config);
    for (const form of FORMS) {
      const options: MethodOptions = {
        method: 'webmla',
        form,
        row_dim: 2 * groups * head_dim,
        pairs: (groups * head_dim) / 2,
      };
      expect(relative(convertedLogits(short, ids, options).logits, want)).toBeLessThan(1e-3);
    }
  }
});

test('published methods at full rank with every pair rotated are lossless', () => {
  for (const name of NAMES) {
    const { config, ends, layers } = model(name);
    const { groups, head_dim } = attentionShape(config);
    const want = runModel(config, ends, layers, ids, 'gqa');
    const width = groups * head_dim;
    const methods: MethodOptions[] = [
      { method: 'transmla', row_dim: 2 * width, qk_rope_head_dim: width, freqfold: 1 },
      {
        method: 'mha2mla',
        row_dim: 2 * width,
        ropePairsPerHead: head_dim / 2,
        selection: 'low',
        svd: 'joint',
      },
    ];
    for (const method of methods) {
      expect(relative(convertedLogits(model(name), ids, method).logits, want)).toBeLessThan(1e-4);
    }
  }
});

test('freqfold candidates', () => {
  expect(freqFoldCandidates({ frequencies: 32, groups: 3 }, 64)).toEqual([1, 2, 4, 8, 16, 32]);
  expect(freqFoldCandidates({ frequencies: 32, groups: 3 }, 32)).toEqual([2, 4, 8, 16, 32]);
  expect(freqFoldCandidates({ frequencies: 4, groups: 2 }, 6)).toEqual([4]);
});

test.each([1, 2, 5, 11, 23, 47, 127])('the lowest of %i points is found with few looks', (most) => {
  for (let best = 1; best <= most; best++) {
    for (const [left, right] of [
      [1, 1],
      [3, 0.1],
      [0.1, 3],
    ] as const) {
      const value = (at: number): number =>
        Math.exp(((at < best ? left : right) * Math.abs(at - best) * 4) / most + ((at - best) / most) ** 2);
      let looks = 0;
      const found = lowestPoint(most, (at) => {
        expect(at >= 1 && at <= most && Number.isInteger(at)).toBe(true);
        looks++;
        return value(at);
      });
      expect(value(found)).toBeLessThanOrEqual(1.02 * value(best));
      expect(looks).toBeLessThanOrEqual(Math.min(most, 5 + Math.ceil(1.5 * Math.log2(most))));
    }
  }
  expect(lowestPoint(most, () => 0)).toBeGreaterThan(0);
});

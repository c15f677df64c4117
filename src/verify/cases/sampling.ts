import { argmax_final as finalKernel } from '../../kernels/argmax_final.ts';
import { count_tokens as countKernel } from '../../kernels/count_tokens.ts';
import { packSampling, sample as sampleKernel } from '../../kernels/sample.ts';
import type { Sampling } from '../../kernels/sample.ts';
import { argmax_final } from '../../reference/argmax_final.ts';
import { count_tokens } from '../../reference/count_tokens.ts';
import { sample } from '../../reference/sample.ts';
import { kernelCase } from '../kernel_case.ts';
import type { KernelCase } from '../kernel_case.ts';
import { bestLayout, Material, tiedLogits } from '../material.ts';

export function argmaxFinalCases(): KernelCase[] {
  return [1, 196, 65].map((count, index) => {
    const m = new Material(9100 + index);
    const values = tiedLogits(m, count);
    const slices = Array.from(values, (value, i) => ({
      value,
      index: i * 1024 + (m.integers(1, 1000)[0] ?? 0),
    }));
    const tokens = new Uint32Array(9);
    const want = tokens.slice();
    want[5] = argmax_final(slices);
    return kernelCase(finalKernel, {
      name: `${count} slices`,
      dims: { slices: count, context: tokens.length },
      parts: {},
      step: { position: 3, num_tokens: 2 },
      buffers: { best: bestLayout(slices), tokens },
      expected: { tokens: { as: 'u32', values: want, tolerance: 'exact' } },
    });
  });
}

export function countCases(): KernelCase[] {
  return [1, 200].map((count, index) => {
    const m = new Material(9200 + index);
    const vocab_size = 50;
    const tokens = m.integers(count + 4, vocab_size);
    const counts = m.integers(vocab_size, 3);
    return kernelCase(countKernel, {
      name: `${count} tokens`,
      dims: { vocab_size, context: tokens.length },
      parts: {},
      step: { position: 4, num_tokens: count },
      buffers: { tokens, counts },
      expected: {
        counts: { as: 'u32', values: count_tokens(counts.slice(), tokens.subarray(4)), tolerance: 'exact' },
      },
    });
  });
}

const PLAIN: Sampling = {
  temperature: 1,
  top_p: 1,
  min_p: 0,
  repetition_penalty: 1,
  presence_penalty: 0,
  frequency_penalty: 0,
  top_k: 0,
  seed: 1,
  greedy: false,
};

const RULES: readonly (readonly [name: string, rule: Partial<Sampling>])[] = [
  ['plain', {}],
  ['temperature', { temperature: 0.3 }],
  ['top_k 1', { top_k: 1 }],
  ['top_k 40', { top_k: 40 }],
  ['top_p 0.9', { top_p: 0.9 }],
  ['top_p 1e-6', { top_p: 1e-6 }],
  ['top_p 0.999999', { top_p: 0.999999 }],
  ['min_p 0.2', { min_p: 0.2 }],
  ['all cuts', { temperature: 0.7, top_k: 50, top_p: 0.8, min_p: 0.05 }],
  ['penalties', { repetition_penalty: 1.3, presence_penalty: 0.5, frequency_penalty: 0.25, top_k: 5 }],
  ['greedy with penalties', { repetition_penalty: 2, frequency_penalty: 1, greedy: true }],
];

export function sampleCases(): KernelCase[] {
  return RULES.flatMap(([name, rule], index) =>
    [2, 700, 3001].map((vocab_size, size) => {
      const m = new Material(9300 + 10 * index + size);
      const sampling: Sampling = { ...PLAIN, ...rule, seed: 123456789 + index };
      const logits = m.floats(vocab_size, 4);
      const counts = m.integers(vocab_size, 4).map((c) => (c === 3 ? 0x80000002 : c === 2 ? 1 : 0));
      const chosen = sample(logits, counts, sampling, 6);
      const tokens = new Uint32Array(8);
      const wantTokens = tokens.slice();
      wantTokens[6] = chosen;
      const wantCounts = counts.slice();
      wantCounts[chosen] = (wantCounts[chosen] ?? 0) + 1;
      return kernelCase(sampleKernel, {
        name: `${name}, ${vocab_size} logits`,
        dims: { vocab_size, context: tokens.length },
        parts: {},
        step: { position: 5, num_tokens: 1 },
        buffers: {
          logits,
          counts,
          scores: new Float32Array(vocab_size),
          tokens,
          sampling: packSampling(sampling),
        },
        expected: {
          tokens: { as: 'u32', values: wantTokens, tolerance: 'exact' },
          counts: { as: 'u32', values: wantCounts, tolerance: 'exact' },
        },
      });
    }),
  );
}

import { fileURLToPath } from 'node:url';
import { describe, expect, test, vi } from 'vitest';
import { openNodeFiles } from '../../src/cli/node_files.ts';
import { openCheckpoint } from '../../src/formats/open_checkpoint.ts';
import type { Sampling } from '../../src/kernels/sample.ts';
import { sample } from '../../src/reference/sample.ts';
import { loadModel } from '../../src/runtime/load.ts';
import type { LoadedModel, LoadOptions } from '../../src/runtime/load.ts';
import { Session } from '../../src/runtime/session.ts';
import { testGpu } from './dawn.ts';

const folder = fileURLToPath(new URL('../fixtures/llama_bias', import.meta.url));
const PROMPT = [5, 17, 33, 60, 4, 9, 81, 12, 7, 44, 3, 90];

async function load(options: Partial<LoadOptions> = {}): Promise<LoadedModel> {
  return loadModel(await openCheckpoint(await openNodeFiles(folder)), await testGpu(), {
    attention: 'mla',
    weights: 'f32',
    cacheDtype: 'f32',
    contextLength: undefined,
    promptLogits: false,
    spare: 3,
    onProgress: () => {},
    signal: undefined,
    ...options,
  });
}

async function open(
  options?: Partial<LoadOptions>,
  depth = 3,
): Promise<{ model: LoadedModel; session: Session }> {
  const model = await load({ spare: depth, ...options });
  return { model, session: new Session(await testGpu(), model.plan, 97, model.buffers, depth) };
}

async function take(
  session: Session,
  prompt: readonly number[],
  count: number,
): Promise<{ ids: number[]; cached: number }> {
  const ids: number[] = [];
  let cached = -1;
  const options = {
    sampling: 'argmax',
    onPrefilled: (p: { cachedTokens: number }) => (cached = p.cachedTokens),
  } as const;
  for await (const id of session.generate(prompt, 64, options)) {
    ids.push(id);
    if (ids.length === count) break;
  }
  return { ids, cached };
}

describe('one sequence', () => {
  test('goes on where it was: a longer prompt computes only what is new, with the same result', async () => {
    const { session } = await open();
    const fresh = await open();
    const { ids: first } = await take(session, PROMPT, 6);
    const longer = [...PROMPT, ...first.slice(0, 4), 50, 51];
    const again = await take(session, longer, 8);
    expect(again.cached).toBe(PROMPT.length + 4);
    expect((await take(fresh.session, longer, 8)).ids).toEqual(again.ids);
    // A prompt that parts ways early keeps only the common part.
    const other = [...PROMPT.slice(0, 3), 8, 8];
    expect((await take(session, other, 3)).cached).toBe(3);
    // The same prompt computes its last token again, for its logits.
    expect((await take(session, other, 3)).cached).toBe(other.length - 1);
  });

  test('what was in flight when the loop was left does no harm', async () => {
    const { session } = await open({}, 16);
    const fresh = await open({}, 1);
    const whole = (await take(fresh.session, PROMPT, 20)).ids;
    for (const count of [1, 2, 5, 20])
      expect((await take(session, PROMPT, count)).ids).toEqual(whole.slice(0, count));
    // The row of the last id exists too, since its step was in flight.
    expect((await take(session, [...PROMPT, ...whole.slice(0, 10)], 10)).ids).toEqual(whole.slice(10, 20));
  });

  test('ends by itself when the positions are used up', async () => {
    const { session } = await open();
    const ids: number[] = [];
    for await (const id of session.generate(PROMPT, 20, { sampling: 'argmax' })) ids.push(id);
    expect(ids.length).toBe(20 - PROMPT.length + 1);
    expect(session.length).toBe(20);
  });

  test('fills the context to its last position with many steps in flight', async () => {
    const { session } = await open({ contextLength: 40 }, 16);
    const ids: number[] = [];
    for await (const id of session.generate(PROMPT, 40, { sampling: 'argmax' })) ids.push(id);
    const fresh = await open({ contextLength: 60 }, 1);
    expect(ids).toEqual((await take(fresh.session, PROMPT, ids.length)).ids);
  });

  test('a signal ends it with `aborted`, before and during, and it can be used again', async () => {
    const { session } = await open();
    const controller = new AbortController();
    const ids: number[] = [];
    const run = async (signal: AbortSignal): Promise<void> => {
      for await (const id of session.generate(PROMPT, 64, { sampling: 'argmax', signal })) {
        ids.push(id);
        if (ids.length === 4) controller.abort();
      }
    };
    await expect(run(controller.signal)).rejects.toMatchObject({ code: 'aborted' });
    expect(ids.length).toBe(4);
    await expect(run(AbortSignal.abort())).rejects.toMatchObject({ code: 'aborted' });
    expect((await take(session, PROMPT, 4)).ids).toEqual(ids);
  });

  test('decoding creates no buffer, no bind group, no pipeline, and one submit a token', async () => {
    const { session, model } = await open();
    await take(session, PROMPT, 3);
    const { device } = await testGpu();
    const bytes = model.buffers.bytes;
    const made = [
      vi.spyOn(device, 'createBuffer'),
      vi.spyOn(device, 'createBindGroup'),
      vi.spyOn(device, 'createComputePipelineAsync'),
      vi.spyOn(device, 'createShaderModule'),
    ];
    const submit = vi.spyOn(device.queue, 'submit');
    const { ids } = await take(session, PROMPT, 30);
    for (const spy of made) expect(spy).not.toHaveBeenCalled();
    // Prefill is one, and up to depth - 1 steps were in flight when the loop was left.
    expect(submit.mock.calls.length).toBeLessThanOrEqual(ids.length + 3);
    expect(model.buffers.bytes).toBe(bytes);
    vi.restoreAllMocks();
  });
});

describe('sampling on the GPU is sampling on the CPU, a whole sequence long', () => {
  const base: Sampling = {
    temperature: 0.9,
    top_p: 0.95,
    min_p: 0.02,
    repetition_penalty: 1.2,
    presence_penalty: 0.3,
    frequency_penalty: 0.2,
    top_k: 30,
    seed: 7,
    greedy: false,
  };
  test.each<[string, Partial<Sampling>]>([
    ['all cuts and penalties', {}],
    ['another seed', { seed: 8 }],
    [
      'plain temperature',
      { top_p: 1, min_p: 0, top_k: 0, repetition_penalty: 1, presence_penalty: 0, frequency_penalty: 0 },
    ],
    ['greedy with penalties', { greedy: true, temperature: 1 }],
  ])('%s', async (_, rule) => {
    const sampling = { ...base, ...rule };
    const { session } = await open({ promptLogits: true }, 1);
    const rows: Float32Array[] = [];
    const ids: number[] = [];
    const onLogits = { prompt: () => {}, step: (row: Float32Array) => void rows.push(row) };
    for await (const id of session.generate(PROMPT, 64, { sampling, onLogits }))
      if (ids.push(id) === 24) break;
    const counts = new Uint32Array(97);
    for (const id of PROMPT) counts[id] = 0x80000000;
    const want = rows.slice(0, ids.length).map((row, i) => {
      const id = sample(row, counts, sampling, PROMPT.length + i);
      counts[id] = (counts[id] ?? 0) + 1;
      return id;
    });
    expect(ids).toEqual(want);
    expect(new Set(ids).size).toBeGreaterThan(3);
  });
});

describe('weights', () => {
  async function logits(options: Partial<LoadOptions>): Promise<Float32Array> {
    const { session } = await open({ promptLogits: true, ...options }, 1);
    const found: Float32Array[] = [];
    const onLogits = { prompt: (rows: Float32Array) => void found.push(rows), step: () => {} };
    for await (const id of session.generate(PROMPT, 64, { sampling: 'argmax', onLogits })) {
      if (id >= 0) break;
    }
    return found[0] ?? new Float32Array(0);
  }
  const worst = (a: Float32Array, b: Float32Array): number => {
    expect(a.length).toBe(b.length);
    return a.reduce((most, value, i) => Math.max(most, Math.abs(value - (b[i] ?? NaN))), 0);
  };

  test.each([
    ['f16', 0.05],
    ['q8', 0.3],
    ['q4', 6],
  ] as const)(
    '%s: close to f32, and lossless MLA equals GQA with the same rounded weights',
    async (weights, limit) => {
      const exact = await logits({ weights: 'f32', attention: 'gqa' });
      const gqa = await logits({ weights, attention: 'gqa' });
      const mla = await logits({ weights, attention: 'mla' });
      expect(worst(gqa, exact)).toBeLessThan(limit);
      expect(worst(gqa, exact)).toBeGreaterThan(0);
      expect(worst(mla, gqa)).toBeLessThan(1e-4);
    },
  );

  test('an f16 cache changes logits a little', async () => {
    const difference = worst(await logits({ cacheDtype: 'f16' }), await logits({ cacheDtype: 'f32' }));
    expect(difference).toBeGreaterThan(0);
    expect(difference).toBeLessThan(0.05);
  });
});

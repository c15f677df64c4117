import { fileURLToPath } from 'node:url';
import { afterEach, describe, expect, test, vi } from 'vitest';
import { openDawn } from '../../src/cli/dawn.ts';
import { openNodeFiles } from '../../src/cli/node_files.ts';
import { WebMlaError } from '../../src/core/errors.ts';
import { filesOf } from '../../src/formats/local_files.ts';
import { openCheckpoint } from '../../src/formats/open_checkpoint.ts';
import { gpuMemory } from '../../src/gpu/buffers.ts';
import { sourceOfCheckpoint } from '../../src/runtime/bench.ts';
import { convertModel } from '../../src/runtime/convert_model.ts';
import type { DecoderSource } from '../../src/runtime/decoder_source.ts';
import { MeasuredModel } from '../../src/runtime/measured_model.ts';
import { LendingBuffers } from '../../src/runtime/race/lending_buffers.ts';
import type { RaceModels } from '../../src/runtime/race/race_models.ts';
import { parseSetting } from '../../src/runtime/race/setting.ts';
import type { RaceSetting } from '../../src/runtime/race/setting.ts';
import { sweep } from '../../src/runtime/race/sweep.ts';
import { SweepClock } from '../../src/runtime/race/sweep_clock.ts';
import type { SweepResult } from '../../src/runtime/race/sweep_record.ts';
import { RandomDecoder } from '../../src/runtime/random_decoder.ts';
import { testGpu } from './dawn.ts';

/** The sweep of latency.html, with a model of two layers. */

const FIXTURE = fileURLToPath(new URL('../fixtures/llama_bias', import.meta.url));

function setting(key: string): RaceSetting {
  const parsed = parseSetting(key);
  if (!parsed) throw new RangeError(key);
  return parsed;
}

afterEach(() => vi.restoreAllMocks());

test('a converted model says the same with weights of its own and with borrowed ones', async () => {
  const gpu = await testGpu();
  const checkpoint = await openCheckpoint(await openNodeFiles(FIXTURE));
  const { files } = await convertModel(checkpoint, {
    choice: {
      method: 'webmla',
      form: 'reuse',
      exportable: false,
      cacheDtype: 'f16',
      kvBudget: 0.5,
      options: {},
    },
    calibration: { rows: [Uint32Array.from({ length: 40 }, (_, i) => (i * 31) % 97)], refitRows: 1 },
    gpu: openDawn,
    weights: 'as-is',
    onProgress: () => {},
  });
  const folder = [...files].map(([name, parts]) => new File([...parts], name));
  const converted = sourceOfCheckpoint(await openCheckpoint(filesOf(folder)));
  const load = (
    source: DecoderSource,
    attention: 'gqa' | 'mla',
    buffers: LendingBuffers,
  ): Promise<MeasuredModel> =>
    MeasuredModel.load(gpu, source, {
      attention,
      cacheDtype: 'f16',
      contextLength: 32,
      buffers,
      onProgress: () => {},
      signal: undefined,
    });
  const lender = new LendingBuffers(gpu.device, null);
  const models = [
    await load(sourceOfCheckpoint(checkpoint), 'gqa', lender),
    await load(converted, 'mla', new LendingBuffers(gpu.device, null)),
    await load(converted, 'mla', new LendingBuffers(gpu.device, lender)),
  ];
  const answers = await Promise.all(
    models.slice(1).map(async ({ session }) => {
      const ids: number[] = [];
      for await (const id of session.generate([5, 17, 3, 40], 32, { sampling: 'argmax' })) ids.push(id);
      return ids;
    }),
  );
  expect(answers[0]).toHaveLength(29);
  expect(answers[1]).toEqual(answers[0]);
  const [, alone = NaN, borrower = NaN] = models.map(({ loaded }) => loaded.weightBytes);
  expect(borrower).toBeLessThan(0.5 * alone);
  for (const model of models.toReversed()) model.destroy();
});

describe('the sweep', () => {
  /** The fixture's shape with random weights. */
  async function run(
    onProgress: (what: string, result: SweepResult | null) => void,
    signal: AbortSignal,
  ): Promise<SweepResult> {
    const { config } = await openCheckpoint(await openNodeFiles(FIXTURE));
    const models = {
      name: 'tiny',
      config,
      checkpoint: null,
      tokenizer: null,
      longestContext: 64,
      calibrationTokens: null,
      source: async ({ form, kvBudget, cacheDtype }: RaceSetting) =>
        new RandomDecoder(
          config,
          'q4_0',
          form === 'reuse' ? { form, kvBudget: kvBudget ?? 1, cacheDtype } : undefined,
        ),
    } satisfies Partial<Record<keyof RaceModels, unknown>>;
    return sweep(
      await testGpu(),
      // oxlint-disable-next-line no-unsafe-type-assertion -- all that a sweep asks it for
      models as unknown as RaceModels,
      {
        settings: ['gqa-f32', 'reuse-0.5-f16'].map(setting),
        contexts: [4, 8],
        filled: 'synthetic',
        document: '',
        runs: 3,
        prefillTokens: 6,
        heldOut: null,
      },
      new SweepClock(),
      (what, share, result) => {
        expect(share).toBeGreaterThanOrEqual(0);
        expect(share).toBeLessThanOrEqual(1);
        onProgress(what, result);
      },
      signal,
    );
  }

  test('all settings together, each kernel compiled once', async () => {
    const gpu = await testGpu();
    const compile = vi.spyOn(gpu.device, 'createShaderModule');
    const before = gpuMemory.bytes;
    const results: SweepResult[] = [];
    const result = await run((_, soFar) => {
      if (soFar) results.push(soFar);
    }, new AbortController().signal);
    expect(results.map(({ rows }) => rows.length)).toEqual([3, 6]);
    expect(
      result.rows.map(({ form, cacheDtype, context, runsMs }) => [form, cacheDtype, context, runsMs.length]),
    ).toEqual([
      ['gqa', 'f16', 4, 3],
      ['gqa', 'f32', 4, 3],
      ['reuse', 'f16', 4, 3],
      ['gqa', 'f16', 8, 3],
      ['gqa', 'f32', 8, 3],
      ['reuse', 'f16', 8, 3],
    ]);
    const [base, , reuse] = result.rows;
    expect(base?.gqaMs).toBeNull();
    expect(reuse?.gqaMs).toBe(base?.decodeMs);
    expect(result.prefill).toHaveLength(3);
    const { seconds } = result;
    expect(seconds.decoding).toBeGreaterThan(0);
    expect(seconds.compiling + seconds.loading).toBeGreaterThan(0);
    expect(seconds.quality).toBe(0);
    const codes = compile.mock.calls.map(([{ code }]) => code);
    expect(new Set(codes).size).toBe(codes.length);
    expect(gpuMemory.bytes).toBe(before);
  });

  test('a setting without room beside others gets a turn of its own, at contexts that fit', async () => {
    const load = MeasuredModel.load.bind(MeasuredModel);
    let tries = 0;
    vi.spyOn(MeasuredModel, 'load').mockImplementation((gpu, source, options) => {
      // Beside the others, and then for the longest context.
      if (options.attention === 'mla' && ++tries < 3) throw new WebMlaError('out_of_memory', 'full');
      return load(gpu, source, options);
    });
    const { rows, notes } = await run(() => {}, new AbortController().signal);
    expect(
      rows.map(({ form, cacheDtype, context, runsMs }) => [form, cacheDtype, context, runsMs.length]),
    ).toEqual([
      ['gqa', 'f16', 4, 6],
      ['gqa', 'f32', 4, 3],
      ['gqa', 'f16', 8, 6],
      ['gqa', 'f32', 8, 3],
      ['reuse', 'f16', 4, 3],
    ]);
    expect(notes.filter((note) => note.includes('does not fit'))).toEqual([
      'MLA reuse 50 % f16: a context of 8 does not fit on this device.',
    ]);
  });

  test('a setting that this device cannot run is a note, and the others are measured', async () => {
    const load = MeasuredModel.load.bind(MeasuredModel);
    vi.spyOn(MeasuredModel, 'load').mockImplementation((gpu, source, options) => {
      if (options.cacheDtype === 'f32') throw new WebMlaError('unsupported', 'kernel x: too wide');
      return load(gpu, source, options);
    });
    const { rows, notes } = await run(() => {}, new AbortController().signal);
    expect(rows.map(({ form, context }) => [form, context])).toEqual([
      ['gqa', 4],
      ['reuse', 4],
      ['gqa', 8],
      ['reuse', 8],
    ]);
    expect(notes).toContain('GQA f32: kernel x: too wide');
  });

  test('is cancelled, and frees what it took', async () => {
    const before = gpuMemory.bytes;
    const cancel = new AbortController();
    const running = run((what) => {
      if (what.startsWith('decoding')) cancel.abort();
    }, cancel.signal);
    await expect(running).rejects.toMatchObject({ code: 'aborted' });
    expect(gpuMemory.bytes).toBe(before);
  });
});

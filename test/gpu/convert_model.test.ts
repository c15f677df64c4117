import { mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { openDawn } from '../../src/cli/dawn.ts';
import { openNodeFiles } from '../../src/cli/node_files.ts';
import { writeFolder } from '../../src/cli/write_folder.ts';
import type { MethodChoice } from '../../src/convert/budget.ts';
import { randomStream } from '../../src/core/rng.ts';
import { openCheckpoint } from '../../src/formats/open_checkpoint.ts';
import type { CalibrationInput, ConvertedModel } from '../../src/runtime/conversion_types.ts';
import { convertModel } from '../../src/runtime/convert_model.ts';
import { statisticsFile } from '../../src/runtime/model_statistics.ts';
import { LocalEngine } from '../../src/runtime/engine.ts';
import { failure, requireCli } from '../command_line.ts';
import { engineSubject } from '../engine_subject.ts';
import { checkGolden } from '../golden_check.ts';
import type { GoldenReport } from '../golden_check.ts';
import { readGolden } from '../goldens.ts';

/** Calibration, conversion, refit and folder in one: statistics of three short rows of a random model. */

const FIXTURE = fileURLToPath(new URL('../fixtures/llama_bias', import.meta.url));
const random = randomStream(7);
const ROWS = [40, 40, 24].map((length) => Uint32Array.from({ length }, () => Math.floor(random() * 97)));
const REUSE: MethodChoice = {
  method: 'webmla',
  form: 'reuse',
  exportable: false,
  cacheDtype: 'f16',
  kvBudget: 1,
  options: {},
};

let folder = '';
/** With refit, at half the bytes. */
let half: ConvertedModel;

beforeAll(async () => {
  requireCli();
  folder = mkdtempSync(join(tmpdir(), 'webmla-convert-model-'));
  half = await convert({ ...REUSE, kvBudget: 0.5 }, { rows: ROWS, refitRows: 3 });
});
afterAll(() => rmSync(folder, { recursive: true }));

async function convert(
  choice: MethodChoice,
  calibration: CalibrationInput = { rows: [], refitRows: 0, statistics: half.statistics ?? [] },
): Promise<ConvertedModel> {
  const checkpoint = await openCheckpoint(await openNodeFiles(FIXTURE));
  return convertModel(checkpoint, {
    choice,
    calibration,
    gpu: openDawn,
    weights: 'as-is',
    madeWeights: 'f32',
    onProgress: () => {},
  });
}

async function run(name: string, model: ConvertedModel): Promise<GoldenReport> {
  const out = join(folder, name);
  await writeFolder(out, model.files);
  const engine = await LocalEngine.create({
    weights: 'f32',
    cacheDtype: 'f32',
    files: await openNodeFiles(out),
    gpu: await openDawn(),
    promptLogits: true,
  });
  try {
    return await checkGolden(readGolden(FIXTURE), engineSubject(engine));
  } finally {
    engine.dispose();
  }
}

describe('webmla', () => {
  test('half the bytes, with calibration and refit: a model that runs, and reports what it is', async () => {
    expect(half.calibrationTokens).toBe(104);
    expect(half.statistics?.length).toBe(2);
    expect(half.latent).toMatchObject({ method: 'webmla', cacheDtype: 'f16' });
    for (const { kv_lora_rank, qk_rope_head_dim } of half.latent.layers) {
      expect(kv_lora_rank + qk_rope_head_dim).toBe(16);
      expect(qk_rope_head_dim % 8).toBe(0);
    }
    expect(half.reports[0]?.predictedError).toBeGreaterThan(0);
    const { worstLogit } = await run('half', half);
    expect(Number.isFinite(worstLogit)).toBe(true);
    expect(worstLogit).toBeGreaterThan(1e-3);
  });

  test.each(['strict', 'reuse', 'recon'] as const)('%s with all its bytes is lossless', async (form) => {
    const { worstLogit, leftPaths } = await run(form, await convert({ ...REUSE, form, ...whole(form) }));
    expect(leftPaths).toEqual([]);
    expect(worstLogit).toBeLessThan(2e-3);
  });

  test('statistics that were saved give the same model again, bit for bit', async () => {
    const checkpoint = await openCheckpoint(await openNodeFiles(FIXTURE));
    const path = join(folder, 'statistics.safetensors');
    writeFileSync(path, Buffer.concat(statisticsFile(checkpoint, half.statistics ?? [])));
    const first = await convert({ ...REUSE, kvBudget: 0.5 });
    const { readStatistics } = await import('../../src/runtime/model_statistics.ts');
    const { memorySource } = await import('../../src/formats/byte_source.ts');
    const { layers } = await readStatistics(memorySource(new Uint8Array(readFileSync(path)), path));
    const again = await convert({ ...REUSE, kvBudget: 0.5 }, { rows: [], refitRows: 0, statistics: layers });
    const third = await convert({ ...REUSE, kvBudget: 0.5 }, { rows: [], refitRows: 0, statistics: layers });
    expect(await bytesOf(third)).toEqual(await bytesOf(again));
    // Saved in f32: the same but for that rounding.
    expect(again.latent).toEqual(first.latent);
  });

  test('refined before the refit, for a quantised cache: progress, reports, and a model that runs', async () => {
    const stages: string[] = [];
    const refined = await convertModel(await openCheckpoint(await openNodeFiles(FIXTURE)), {
      choice: { ...REUSE, kvBudget: 0.5, cacheDtype: 'int8' },
      calibration: { rows: ROWS, refitRows: 3, statistics: half.statistics ?? [] },
      refineSteps: 2,
      gpu: openDawn,
      weights: 'as-is',
      onProgress: ({ stage, loaded, total }) => stages.push(`${stage} ${loaded}/${total}`),
    });
    expect(stages).toEqual([
      'refine 1/4',
      'refine 2/4',
      'convert 1/2',
      'refine 3/4',
      'refine 4/4',
      'convert 2/2',
    ]);
    expect(refined.timings.refineMs).toBeGreaterThan(0);
    for (const { refinement } of refined.reports) {
      expect(refinement).toMatchObject({ steps: 2, heldOutRows: 1 });
      expect(refinement!.undone).toBe(!(refinement!.lossAfter < refinement!.lossBefore));
    }
    expect(Number.isFinite((await run('refined', refined)).worstLogit)).toBe(true);
  });

  test('a quantised cache costs what it says', async () => {
    const model = await convert({ ...REUSE, kvBudget: 0.5, cacheDtype: 'int8' });
    const out = join(folder, 'int8');
    await writeFolder(out, model.files);
    const engine = await LocalEngine.create({ files: await openNodeFiles(out), gpu: await openDawn() });
    expect(engine.info.cacheDtype).toBe('int8');
    expect(engine.info.kvBytesPerToken).toBeLessThanOrEqual(0.5 * 2 * 32 * 2);
    engine.dispose();
  });
});

/** Every rope pair and every dimension. */
function whole(form: MethodChoice['form']): Partial<MethodChoice> {
  const widths = { kvBudget: undefined, qk_rope_head_dim: 16 };
  return { ...widths, kv_lora_rank: form === 'recon' ? 32 : 16 };
}

async function bytesOf({ files }: ConvertedModel): Promise<Buffer> {
  return Buffer.from(await new Blob([...(files.get('model.safetensors') ?? [])]).arrayBuffer());
}

describe('what cannot be', () => {
  test('budgets that make no sense', async () => {
    const refused = async (choice: Partial<MethodChoice>): Promise<string> =>
      convert({ ...REUSE, ...choice }).then(
        () => 'none',
        (error: { code: string }) => error.code,
      );
    expect(await refused({ kvBudget: 0 })).toBe('bad_request');
    expect(await refused({ kvBudget: 1.5 })).toBe('bad_request');
    expect(await refused({ kvBudget: 0.01 })).toBe('bad_request');
    expect(await refused({ kvBudget: undefined, kv_lora_rank: 48 })).toBe('bad_request');
    expect(await refused({ form: 'reuse', exportable: true })).toBe('bad_request');
  });

  test('refinement: steps that are none, and rows that are none', async () => {
    const checkpoint = await openCheckpoint(await openNodeFiles(FIXTURE));
    const refused = async (refineSteps: number): Promise<void> => {
      const made = convertModel(checkpoint, {
        choice: REUSE,
        calibration: { rows: [], refitRows: 0, statistics: half.statistics ?? [] },
        refineSteps,
        gpu: openDawn,
        weights: 'as-is',
        onProgress: () => {},
      });
      await expect(made).rejects.toMatchObject({ code: 'bad_request' });
    };
    await refused(0.5);
    await refused(3);
  });

  test('the command line says what is missing', async () => {
    const out = join(folder, 'none');
    const wrong = async (...args: string[]): Promise<number | null> =>
      (await failure('convert', '--model', FIXTURE, '--out', out, ...args)).code;
    expect(await wrong('--method', 'webmla')).toBe(2);
    expect(await wrong('--method', 'exact', '--kv-budget', '0.5')).toBe(2);
    expect(await wrong('--method', 'exact', '--refine-steps', '2')).toBe(2);
    expect(await wrong('--kv-budget', '0.5', '--refine-steps', '1.5')).toBe(2);
    expect(await wrong('--method', 'transmla', '--form', 'recon', '--kv-budget', '0.5')).toBe(2);
    const noText = await failure('convert', '--model', FIXTURE, '--out', out, '--kv-budget', '0.5');
    expect(noText).toMatchObject({
      code: 1,
      error: { code: 'missing_file', message: expect.stringContaining('tokenizer') },
    });
    const missing = await failure(
      ...['convert', '--model', FIXTURE, '--out', out, '--kv-budget', '0.5', '--token-rows', '/nowhere.npy'],
    );
    expect(missing).toMatchObject({ code: 1, error: { code: 'missing_file' } });
  });
});

import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { expect } from 'vitest';
import { openNodeFiles } from '../../src/cli/node_files.ts';
import { writeFolder } from '../../src/cli/write_folder.ts';
import { openDawn } from '../../src/cli/dawn.ts';
import { openCheckpoint } from '../../src/formats/open_checkpoint.ts';
import { createEngine } from '../../src/node.ts';
import type { Engine, LoadProgress, MlaOptions } from '../../src/node.ts';
import { calibrationRows, SEARCH_ROWS } from '../../src/runtime/calibration_rows.ts';
import { CALIBRATION_TEXT } from '../../src/runtime/calibration_text.ts';
import { convertByIntent } from '../../src/runtime/convert_by_intent.ts';
import { modelTest } from '../models.ts';

/** Asking an engine for a smaller cache: the same as converting to a folder and loading that. */

const TOKENS = 48;
/** One row of it: none is held back, since test/gpu/convert_by_intent.test.ts has what is measured on such. */
const TEXT = CALIBRATION_TEXT.slice(0, 100);
/** Without refit, which test/gpu/convert_model.test.ts has: it takes as long again on a software GPU. */
const COMPRESSED: MlaOptions = {
  form: 'mla',
  latent: 'reuse',
  kvBudget: 0.5,
  refit: false,
  calibration: { text: TEXT, tokens: TOKENS },
};

async function answer(engine: Engine): Promise<readonly number[]> {
  const ids: number[] = [];
  const request = { prompt: 'Once upon a time', max_tokens: 12, temperature: 0, stream: true } as const;
  for await (const chunk of await engine.completions.create(request))
    ids.push(...(chunk.webmla.token_ids ?? []));
  return ids;
}

modelTest(
  'createEngine with a budget answers as the folder does that a conversion writes',
  async (models) => {
    const model = join(models, 'stories260K');
    const folder = mkdtempSync(join(tmpdir(), 'webmla-loading-'));
    try {
      const seen: LoadProgress[] = [];
      const engine = await createEngine({
        model,
        attention: COMPRESSED,
        cacheDtype: 'f16',
        contextLength: 64,
        onProgress: (step) => seen.push(step),
      });
      const ids = await answer(engine);
      const { info } = engine;
      engine.dispose();
      expect(info).toMatchObject({
        model: 'stories260K',
        attention: 'mla',
        converted: { method: 'webmla', form: 'reuse' },
        cacheDtype: 'f16',
        notes: [expect.stringContaining('Products made ahead')],
      });
      expect(info.kvBytesPerToken).toBeLessThanOrEqual(0.5 * info.gqaKvBytesPerToken);
      expect(info.conversion?.length).toBe(5);
      expect(info.convertMs).toBeGreaterThan(0);
      expect(info.loadMs).toBeGreaterThan(info.convertMs);
      const stages = seen.map(({ stage }) => stage).filter((stage, i, all) => stage !== all[i - 1]);
      expect(stages).toEqual(['calibrate', 'convert', 'upload', 'warm up']);
      const calibrated = seen.filter(({ stage }) => stage === 'calibrate');
      expect(calibrated.at(-1)).toMatchObject({ loaded: 5, total: 5, unit: 'layers' });

      const checkpoint = await openCheckpoint(await openNodeFiles(model));
      const rows = calibrationRows(checkpoint, TEXT, TOKENS, SEARCH_ROWS);
      const { files } = await convertByIntent(checkpoint, {
        intent: { method: 'webmla', form: 'reuse', cacheDtype: 'f16', kvBudget: 0.5 },
        calibration: { ...rows, refitRows: 0 },
        gpu: openDawn,
        weights: 'as-is',
        onProgress: () => {},
      });
      await writeFolder(folder, files);
      const loaded = await createEngine({ model: folder, contextLength: 64 });
      expect(await answer(loaded)).toEqual(ids);
      loaded.dispose();
    } finally {
      rmSync(folder, { recursive: true });
    }
  },
);

modelTest('cancel while it calibrates, and a budget that nothing fits, are typed errors', async (models) => {
  const model = join(models, 'stories260K');
  const controller = new AbortController();
  const cancelled = createEngine({
    model,
    attention: COMPRESSED,
    cacheDtype: 'f16',
    signal: controller.signal,
    onProgress: ({ stage }) => stage === 'calibrate' && controller.abort(),
  });
  await expect(cancelled).rejects.toMatchObject({ code: 'aborted' });
  const stages = new Set<string>();
  const tooSmall = createEngine({
    model,
    attention: { form: 'mla', kvBudget: 0.01 },
    onProgress: ({ stage }) => stages.add(stage),
  });
  await expect(tooSmall).rejects.toMatchObject({ code: 'bad_request' });
  // It is known before any work is done.
  expect(stages.size).toBe(0);
});

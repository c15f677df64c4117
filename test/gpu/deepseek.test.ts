import { mkdtempSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { afterAll, beforeAll, expect, test } from 'vitest';
import { openDawn } from '../../src/cli/dawn.ts';
import { openNodeFiles } from '../../src/cli/node_files.ts';
import { writeFolder } from '../../src/cli/write_folder.ts';
import { openCheckpoint } from '../../src/formats/open_checkpoint.ts';
import { convertModel } from '../../src/runtime/convert_model.ts';
import { LocalEngine } from '../../src/runtime/engine.ts';
import { calibrated } from '../cpu/convert/calibrated.ts';
import { engineSubject } from '../engine_subject.ts';
import { checkGolden } from '../golden_check.ts';
import { readGolden } from '../goldens.ts';

/** Checkpoints in DeepSeek's layout, run by the engine. */

const at = (name: string): string => fileURLToPath(new URL(`../${name}`, import.meta.url));
let folder = '';
beforeAll(() => (folder = mkdtempSync(join(tmpdir(), 'webmla-deepseek-'))));
afterAll(() => rmSync(folder, { recursive: true }));

async function expectGolden(path: string, golden: string, tolerance: number): Promise<void> {
  const engine = await LocalEngine.create({
    weights: 'f32',
    cacheDtype: 'f32',
    files: await openNodeFiles(path),
    gpu: await openDawn(),
    promptLogits: true,
  });
  expect(engine.info.attention).toBe('mla');
  const { leftPaths, worstLogit } = await checkGolden(readGolden(golden), engineSubject(engine));
  engine.dispose();
  expect(leftPaths).toEqual([]);
  expect(worstLogit).toBeLessThan(tolerance);
}

test.each(['llama_mla', 'deepseek_style'])(
  'TransMLA, %s: logits and greedy path of its code',
  async (name) => {
    const path = at(`fixtures_transmla/${name}`);
    await expectGolden(path, path, 1e-3);
  },
);

test('an export that leaves nothing out is the original: query biases and YaRN', async () => {
  const path = at('fixtures/qwen2_yarn');
  const ids = [3, 17, 42, 5, 61, 9, 30, 77, 100, 21, 8, 64];
  const { statistics } = await calibrated('qwen2_yarn', [ids, ids.toReversed()]);
  const { files } = await convertModel(await openCheckpoint(await openNodeFiles(path)), {
    choice: {
      method: 'webmla',
      form: 'strict',
      exportable: true,
      cacheDtype: 'f16',
      kv_lora_rank: 16,
      qk_rope_head_dim: 16,
      options: {},
    },
    calibration: { rows: [], refitRows: 0, statistics },
    gpu: openDawn,
    weights: 'as-is',
    madeWeights: 'f32',
    format: 'deepseek',
    onProgress: () => {},
  });
  await writeFolder(folder, files);
  await expectGolden(folder, path, 2e-3);
});

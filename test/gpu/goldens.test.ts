import { readdirSync } from 'node:fs';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { describe, expect, test } from 'vitest';
import { openDawn } from '../../src/cli/dawn.ts';
import { openNodeFiles } from '../../src/cli/node_files.ts';
import { LocalEngine } from '../../src/runtime/engine.ts';
import type { LocalEngineOptions } from '../../src/runtime/engine.ts';
import { goldenFolders } from '../golden_folders.ts';
import { engineSubject } from '../engine_subject.ts';
import { checkGolden } from '../golden_check.ts';
import type { GoldenReport } from '../golden_check.ts';
import { readGolden, shortened } from '../goldens.ts';
import { fullRun, modelTest } from '../models.ts';

async function run(
  path: string,
  golden: string,
  options: Pick<LocalEngineOptions, 'attention' | 'weights' | 'cacheDtype'>,
): Promise<GoldenReport> {
  const engine = await LocalEngine.create({
    ...options,
    files: await openNodeFiles(path),
    gpu: await openDawn(),
    promptLogits: true,
  });
  try {
    const whole = readGolden(golden, 256);
    return await checkGolden(fullRun ? whole : shortened(whole), engineSubject(engine), {
      generated: fullRun ? Infinity : 16,
    });
  } finally {
    engine.dispose();
  }
}

const fixtures = fileURLToPath(new URL('../fixtures', import.meta.url));
const EXACT = { weights: 'f32', cacheDtype: 'f32' } as const;

describe.each(['gqa', 'mla'] as const)(
  'goldens on Dawn, %s (at most 2 prompts, 16 ids generated, the rest by prefill; WEBMLA_FULL=1: all generated)',
  (attention) => {
    const expectGolden = async (folder: string): Promise<void> => {
      const report = await run(folder, folder, { ...EXACT, attention });
      expect(report.leftPaths).toEqual([]);
      expect(report.greedyTokens).toBeGreaterThan(10);
      expect(report.logits).toBeGreaterThan(100);
      expect(report.worstLogit).toBeLessThan(1e-3);
    };
    test.each(readdirSync(fixtures))('%s', (name) => expectGolden(join(fixtures, name)));
    for (const folder of goldenFolders()) modelTest(folder, (models) => expectGolden(join(models, folder)));

    modelTest('GGUF files in F32 are the same models', async (models) => {
      for (const name of ['stories260K', 'TinyStories-656K']) {
        const report = await run(join(models, `gguf/${name}.F32.gguf`), join(models, name), {
          ...EXACT,
          attention,
        });
        expect(report.leftPaths).toEqual([]);
        expect(report.worstLogit).toBeLessThan(1e-3);
      }
    });
  },
);

import { readdirSync, readFileSync, statSync } from 'node:fs';
import { join, relative } from 'node:path';
import { describe, expect, test } from 'vitest';
import { openDawn } from '../../src/cli/dawn.ts';
import { openNodeFiles } from '../../src/cli/node_files.ts';
import { LocalEngine } from '../../src/runtime/engine.ts';
import type { LocalEngineOptions } from '../../src/runtime/engine.ts';
import { engineSubject } from '../engine_subject.ts';
import { checkGolden } from '../golden_check.ts';
import type { GoldenReport } from '../golden_check.ts';
import { readGolden } from '../goldens.ts';
import { modelsDir, modelTest } from '../models.ts';

/** Folders below `folder` with a golden.json and weights in safetensors of an architecture that runs. */
export function goldenFolders(folder: string): string[] {
  return readdirSync(folder).flatMap((name) => {
    const path = join(folder, name);
    if (!statSync(path).isDirectory()) return [];
    const files = readdirSync(path);
    if (!files.includes('golden.json')) return goldenFolders(path);
    const config: unknown = JSON.parse(readFileSync(join(path, 'config.json'), 'utf8'));
    const runs = ['"LlamaForCausalLM"', '"Qwen2ForCausalLM"'].some((a) =>
      JSON.stringify(config).includes(`"architectures":[${a}`),
    );
    return runs && files.includes('model.safetensors') ? [path] : [];
  });
}

async function run(
  path: string,
  golden: string,
  options: Pick<LocalEngineOptions, 'attention' | 'weights' | 'cacheDtype'>,
  longest?: number,
): Promise<GoldenReport> {
  const engine = await LocalEngine.create({
    ...options,
    files: await openNodeFiles(path),
    gpu: await openDawn(),
    promptLogits: true,
  });
  try {
    return await checkGolden(readGolden(golden, 256), engineSubject(engine), longest);
  } finally {
    engine.dispose();
  }
}

const EXACT = { weights: 'f32', cacheDtype: 'f32' } as const;

describe.each(['gqa', 'mla'] as const)('goldens on Dawn, %s', (attention) => {
  if (modelsDir === null) test.skip('every Llama and Qwen2 checkpoint', () => {});
  else {
    const folders = goldenFolders(modelsDir);
    test('there are the six that this test was written for', () =>
      expect(folders.length).toBeGreaterThanOrEqual(6));
    test.each(folders.map((folder) => [relative(modelsDir ?? '', folder), folder]))(
      '%s',
      async (_, folder) => {
        const report = await run(folder ?? '', folder ?? '', { ...EXACT, attention });
        expect(report.leftPaths).toEqual([]);
        expect(report.greedyTokens).toBeGreaterThan(10);
        expect(report.logits).toBeGreaterThan(100);
        expect(report.worstLogit).toBeLessThan(1e-3);
      },
    );
  }

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
});

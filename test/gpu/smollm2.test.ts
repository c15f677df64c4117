import { join } from 'node:path';
import { describe, expect } from 'vitest';
import { openDawn } from '../../src/cli/dawn.ts';
import { openNodeFiles } from '../../src/cli/node_files.ts';
import type { CacheFormat } from '../../src/core/cache_rows.ts';
import { LocalEngine } from '../../src/runtime/engine.ts';
import { engineSubject } from '../engine_subject.ts';
import { checkGolden } from '../golden_check.ts';
import type { GoldenEffort, GoldenReport } from '../golden_check.ts';
import { readGolden } from '../goldens.ts';
import type { Golden } from '../goldens.ts';
import { fullRun, modelTest } from '../models.ts';

/** SmolLM2-135M-Instruct from its Q4_1 GGUF, weights as they are. */
async function run(
  models: string,
  attention: 'gqa' | 'mla',
  cacheDtype: CacheFormat,
  effort: GoldenEffort,
): Promise<GoldenReport> {
  const folder = join(models, 'SmolLM2-135M-Instruct');
  const engine = await LocalEngine.create({
    attention,
    cacheDtype,
    weights: 'as-is',
    contextLength: 512,
    files: await openNodeFiles(join(folder, 'SmolLM2-135M-Instruct.Q4_1.gguf')),
    gpu: await openDawn(),
    promptLogits: true,
  });
  try {
    const golden = readGolden(folder);
    // With a rounded cache only ids are compared.
    const compared =
      cacheDtype === 'f32' ? golden : { ...golden, logits: [], argmax: firstOf(golden.argmax, POSITIONS) };
    return await checkGolden(compared, engineSubject(engine), effort);
  } finally {
    engine.dispose();
  }
}

/** Teacher-forced positions of the f16 test; WEBMLA_FULL=1: all. */
const POSITIONS = fullRun ? 256 : 64;

describe.each(['gqa', 'mla'] as const)('SmolLM2-135M-Instruct on Dawn, %s', (attention) => {
  modelTest(
    'f32 cache: every id (WEBMLA_FULL=1 generates all, else 4 and then by prefill) and argmax, logits within 5e-3',
    async (models) => {
      const report = await run(models, attention, 'f32', { generated: fullRun ? Infinity : 4 });
      expect(report.leftPaths).toEqual([]);
      expect(report.greedyTokens).toBe(200);
      expect(report.argmaxEqual).toBe(report.argmaxAll);
      expect(report.argmaxAll).toBe(256);
      expect(report.logits).toBeGreaterThan(600);
      expect(report.worstLogit).toBeLessThan(5e-3);
    },
  );

  modelTest(
    `f16 cache: the first 16 ids, 97 % of the argmaxes (of ${POSITIONS} positions)`,
    async (models) => {
      const report = await run(models, attention, 'f16', { generated: 16, rest: 'left out' });
      expect(report.leftPaths).toEqual([]);
      expect(report.greedyTokens).toBe(64);
      expect(report.argmaxAll).toBe(POSITIONS);
      expect(report.argmaxEqual).toBeGreaterThanOrEqual(0.97 * POSITIONS);
    },
  );
});

function firstOf(argmax: Golden['argmax'], count: number): Golden['argmax'] {
  return argmax && { ids: argmax.ids.slice(0, count), next: argmax.next.slice(0, count) };
}

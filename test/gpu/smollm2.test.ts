import { join } from 'node:path';
import { describe, expect } from 'vitest';
import { openDawn } from '../../src/cli/dawn.ts';
import { openNodeFiles } from '../../src/cli/node_files.ts';
import type { CacheFormat } from '../../src/core/cache_rows.ts';
import { LocalEngine } from '../../src/runtime/engine.ts';
import { engineSubject } from '../engine_subject.ts';
import { checkGolden } from '../golden_check.ts';
import type { GoldenEffort, GoldenReport } from '../golden_check.ts';
import { idsOf, readGolden, shortened } from '../goldens.ts';
import type { Golden } from '../goldens.ts';
import { fullRun, modelTest } from '../models.ts';

/**
 * SmolLM2-135M-Instruct from its Q4_1 GGUF, weights as they are. On a software GPU each token takes a sixth of a second, so
 * two of the four prompts and the first positions stand for all, unless WEBMLA_FULL=1.
 */
async function run(
  models: string,
  attention: 'gqa' | 'mla',
  cacheDtype: CacheFormat,
  effort: GoldenEffort,
): Promise<{ report: GoldenReport; golden: Golden }> {
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
    const golden = fullRun ? readGolden(folder) : shortened(readGolden(folder));
    // With a rounded cache only ids are compared.
    const compared = cacheDtype === 'f32' ? golden : { ...golden, logits: [] };
    return { report: await checkGolden(compared, engineSubject(engine), effort), golden };
  } finally {
    engine.dispose();
  }
}

describe.each(['gqa', 'mla'] as const)('SmolLM2-135M-Instruct on Dawn, %s', (attention) => {
  modelTest(
    'f32 cache: every id and argmax, logits within 5e-3 (2 prompts, 32 positions, 4 ids generated; WEBMLA_FULL=1: all)',
    async (models) => {
      const { report, golden } = await run(models, attention, 'f32', { generated: fullRun ? Infinity : 4 });
      expect(report.leftPaths).toEqual([]);
      expect(idsOf(golden)).toBe(fullRun ? 200 : 72);
      expect(report.greedyTokens).toBe(idsOf(golden));
      expect(report.argmaxAll).toBe(fullRun ? 256 : 32);
      expect(report.argmaxEqual).toBe(report.argmaxAll);
      expect(report.logits).toBeGreaterThan(fullRun ? 600 : 300);
      expect(report.worstLogit).toBeLessThan(5e-3);
    },
  );
});

describe.each(fullRun ? (['gqa', 'mla'] as const) : (['mla'] as const))(
  'SmolLM2-135M-Instruct on Dawn, %s with a rounded cache (WEBMLA_FULL=1: gqa too)',
  (attention) => {
    modelTest(
      'f16 cache: the first 16 ids, 97 % of the argmaxes (2 prompts, 32 positions; WEBMLA_FULL=1: all)',
      async (models) => {
        const { report, golden } = await run(models, attention, 'f16', { generated: 16, rest: 'left out' });
        expect(report.leftPaths).toEqual([]);
        expect(report.greedyTokens).toBe(idsOf(golden, 16));
        expect(report.argmaxAll).toBe(fullRun ? 256 : 32);
        expect(report.argmaxEqual).toBeGreaterThanOrEqual(0.97 * report.argmaxAll);
      },
    );
  },
);

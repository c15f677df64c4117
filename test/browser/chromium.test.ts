import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { readdirSync } from 'node:fs';
import type { Browser, Page } from 'playwright-core';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { goldenFolders } from '../golden_folders.ts';
import type { GoldenEffort } from '../golden_check.ts';
import { readGolden, shortened } from '../goldens.ts';
import type { Golden } from '../goldens.ts';
import { fullRun, modelsDir, modelTest } from '../models.ts';
import { serveFolders } from '../servers/static_server.ts';
import type { StaticServer } from '../servers/static_server.ts';
import { KERNEL_NAMES } from '../../src/kernels/index.ts';
import { launchChromium } from './browsers.ts';
import { bundleHarness } from './bundle_harness.ts';
import type { Harness } from './harness.ts';

declare const harness: Harness;

const fixtures = fileURLToPath(new URL('../fixtures', import.meta.url));
let server: StaticServer;
let browser: Browser;
let page: Page;
const complaints: string[] = [];

beforeAll(async () => {
  const folder = await bundleHarness();
  server = await serveFolders({ '/': folder, '/fixtures/': fixtures, '/models/': modelsDir ?? folder });
  browser = await launchChromium();
  page = await browser.newPage();
  page.on('pageerror', (error) => complaints.push(String(error)));
  page.on('console', (message) => {
    // A model's optional files that are not there are asked for, and the browser says so.
    if (message.type() === 'error' && !message.text().includes('404')) complaints.push(message.text());
  });
  await page.goto(`${server.origin}/`);
  await page.waitForFunction(() => 'harness' in globalThis);
});

afterAll(async () => {
  await browser?.close();
  await server?.close();
});

const EXACT = { weights: 'f32', cacheDtype: 'f32' } as const;

type Options = Parameters<Harness['golden']>[2];

async function check(
  path: string,
  golden: Golden,
  options: Options,
  effort?: GoldenEffort,
): ReturnType<Harness['golden']> {
  return page.evaluate(async ([model, wanted, how, much]) => harness.golden(model, wanted, how, much), [
    `${server.origin}${path}`,
    golden,
    options,
    effort,
  ] as const);
}

async function expectGolden(path: string, golden: Golden, attention: 'gqa' | 'mla'): Promise<void> {
  const report = await check(path, golden, { ...EXACT, attention });
  expect(report.leftPaths).toEqual([]);
  expect(report.greedyTokens).toBeGreaterThan(10);
  expect(report.logits).toBeGreaterThan(100);
  expect(report.worstLogit).toBeLessThan(1e-3);
}

describe('Chromium on SwiftShader', () => {
  // Dawn for Node compiles and runs the same on the same SwiftShader, and Firefox too has all cases.
  test('every kernel equals its CPU twin (every eighth case; WEBMLA_FULL=1: all)', async () => {
    const results = await page.evaluate((every) => harness.kernels(every), fullRun ? 1 : 8);
    expect(new Set(results.map(({ kernel }) => kernel)).size).toBe(KERNEL_NAMES.length);
    expect(results.filter(({ passed }) => !passed)).toEqual([]);
  });

  describe.each(['gqa', 'mla'] as const)('goldens of the fixtures, %s', (attention) => {
    test.each(readdirSync(fixtures))('%s', async (name) => {
      await expectGolden(`/fixtures/${name}/`, readGolden(join(fixtures, name)), attention);
    });
  });

  // On Dawn, which is the same compiler and the same software GPU, both forms run every time.
  describe.each(fullRun ? (['gqa', 'mla'] as const) : (['mla'] as const))(
    'goldens of checkpoints, %s (at most 2 prompts; WEBMLA_FULL=1: all, and gqa)',
    (attention) => {
      for (const folder of goldenFolders()) {
        modelTest(folder, async (models) => {
          const whole = readGolden(join(models, folder), 256);
          await expectGolden(`/models/${folder}/`, fullRun ? whole : shortened(whole), attention);
        });
      }
      modelTest(
        'SmolLM2-135M-Instruct from its GGUF: greedy ids (8 of 2 prompts; WEBMLA_FULL=1: all)',
        async (models) => {
          const folder = 'SmolLM2-135M-Instruct';
          // Logits and argmaxes are compared on Dawn: they take minutes here.
          const whole = readGolden(join(models, folder));
          const golden = { ...(fullRun ? whole : shortened(whole)), logits: [], argmax: null };
          const how = { weights: 'as-is', cacheDtype: 'f32', contextLength: 512, attention } as const;
          const report = await check(`/models/${folder}/${folder}.Q4_1.gguf`, golden, how, {
            generated: fullRun ? 12 : 8,
            rest: fullRun ? 'prefilled' : 'left out',
          });
          expect(report.leftPaths).toEqual([]);
          expect(report.greedyTokens).toBe(fullRun ? 200 : 16);
        },
      );
    },
  );

  test('nothing complained', () => expect(complaints).toEqual([]));
});

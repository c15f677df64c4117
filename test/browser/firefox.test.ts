import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import type { Browser, Page } from 'puppeteer-core';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { readGolden } from '../goldens.ts';
import { modelsDir, modelTest } from '../models.ts';
import { serveFolders } from '../servers/static_server.ts';
import type { StaticServer } from '../servers/static_server.ts';
import { launchFirefox } from './browsers.ts';
import { bundleHarness } from './bundle_harness.ts';
import type { Harness } from './harness.ts';

declare const harness: Harness;

const fixtures = fileURLToPath(new URL('../fixtures', import.meta.url));
let server: StaticServer;
let browser: Browser;
let page: Page;

beforeAll(async () => {
  const folder = await bundleHarness();
  server = await serveFolders({ '/': folder, '/fixtures/': fixtures, '/models/': modelsDir ?? folder });
  browser = await launchFirefox();
  page = await browser.newPage();
  page.setDefaultTimeout(600_000);
  await page.goto(`${server.origin}/`);
  await page.waitForFunction(() => 'harness' in globalThis);
});

afterAll(async () => {
  await browser?.close();
  await server?.close();
});

async function expectGolden(path: string, folder: string, attention: 'gqa' | 'mla'): Promise<void> {
  const report = await page.evaluate(
    async (model, golden, options) => harness.golden(model, golden, options),
    `${server.origin}${path}`,
    readGolden(folder),
    { weights: 'f32', cacheDtype: 'f32', attention } as const,
  );
  expect(report.leftPaths).toEqual([]);
  expect(report.greedyTokens).toBeGreaterThan(10);
  expect(report.worstLogit).toBeLessThan(1e-3);
}

describe('Firefox on lavapipe', () => {
  test('every kernel equals its CPU twin', async () => {
    const results = await page.evaluate(() => harness.kernels());
    expect(results.length).toBeGreaterThan(100);
    expect(results.filter(({ passed }) => !passed)).toEqual([]);
  });

  describe.each(['gqa', 'mla'] as const)('whole models, %s', (attention) => {
    test('llama_bias', () => expectGolden('/fixtures/llama_bias/', join(fixtures, 'llama_bias'), attention));
    modelTest('stories260K', (models) =>
      expectGolden('/models/stories260K/', join(models, 'stories260K'), attention),
    );
  });
});

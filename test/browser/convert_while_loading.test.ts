import { existsSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { expect, test } from 'vitest';
import type * as Package from '../../src/index.ts';
import type { EngineOptions } from '../../src/index.ts';
import { serveFolders } from '../servers/static_server.ts';
import { launchChromium } from './browsers.ts';

const root = fileURLToPath(new URL('../..', import.meta.url));

interface Loaded {
  readonly ids: readonly number[];
  readonly stages: readonly string[];
  readonly info: Pick<Package.EngineInfo, 'model' | 'converted' | 'kvBytesPerToken' | 'notes'>;
  readonly stored: readonly string[];
}

/** In the page: an engine with a smaller cache, an answer, and what is kept on the device. */
async function load(attention: EngineOptions['attention']): Promise<Loaded> {
  const { createEngine, listStoredFiles } = (await import(
    `${location.origin}/lib/index.js`
  )) as typeof Package;
  const stages: string[] = [];
  const engine = await createEngine({
    model: new URL('/models/tiny-chat/', location.href),
    ...(attention && { attention }),
    contextLength: 64,
    onProgress: ({ stage }) => stages.at(-1) !== stage && stages.push(stage),
  });
  const ids: number[] = [];
  const request = { prompt: 'Hello', max_tokens: 4, temperature: 0, stream: true } as const;
  for await (const { webmla } of await engine.completions.create(request))
    ids.push(...(webmla.token_ids ?? []));
  const { model, converted, kvBytesPerToken, notes } = engine.info;
  engine.dispose();
  const stored = (await listStoredFiles()).flatMap(({ urls }) => urls);
  return { ids, stages, info: { model, converted, kvBytesPerToken, notes }, stored };
}

test('Chromium: a worker calibrates and converts, the engine answers, and another budget needs no second calibration', async () => {
  if (!existsSync(join(root, 'lib/index.js')))
    throw new Error('lib: expected a built package; run npm run build');
  const folder = mkdtempSync(join(tmpdir(), 'webmla-loading-'));
  writeFileSync(
    join(folder, 'index.html'),
    '<!doctype html><meta charset="utf-8"><link rel="icon" href="data:,">',
  );
  const server = await serveFolders({
    '/': folder,
    '/lib/': join(root, 'lib'),
    '/models/': join(root, 'public/models'),
  });
  const browser = await launchChromium();
  try {
    const page = await browser.newPage();
    await page.goto(`${server.origin}/`);
    const half = { form: 'mla', kvBudget: 0.5, calibration: { tokens: 128 } } as const;
    const first = await page.evaluate(load, half);
    expect(first.info).toEqual({
      model: 'tiny-chat',
      converted: { method: 'webmla', form: 'reuse' },
      kvBytesPerToken: 12 * 192 * 2,
      notes: [],
    });
    expect(first.ids.length).toBe(4);
    expect(first.stages).toEqual(['read', 'calibrate', 'convert', 'upload', 'warm up']);
    expect(first.stored).toContainEqual(expect.stringMatching(/^webmla:\/\/calibration\/tiny-chat\//));
    for (const file of ['convert_worker', 'layer_worker', 'calibration_text'])
      expect(server.requests).toContain(`/lib/${file}.js`);

    const second = await page.evaluate(load, { ...half, kvBudget: 0.25, refit: false });
    expect(second.stages).toEqual(['read', 'convert', 'upload', 'warm up']);
    expect(second.info.kvBytesPerToken).toBe(12 * 96 * 2);
    expect(second.stored).toEqual(first.stored);
  } finally {
    await browser.close();
    await server.close();
    rmSync(folder, { recursive: true });
  }
});

import { existsSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { expect, test } from 'vitest';
import type * as Package from '../../src/index.ts';
import type { LoadStage, MlaOptions } from '../../src/index.ts';
import { serveFolders } from '../servers/static_server.ts';
import { launchChromium } from './browsers.ts';

const root = fileURLToPath(new URL('../..', import.meta.url));

interface Loaded {
  readonly ids: readonly number[];
  readonly info: Pick<Package.EngineInfo, 'model' | 'converted' | 'kvBytesPerToken' | 'notes'> | null;
  readonly error: string | null;
  readonly stages: readonly string[];
  readonly stored: readonly string[];
}

interface Wanted {
  readonly attention: MlaOptions;
  /** The stage that cancels. */
  readonly cancelAt?: LoadStage;
}

/** In the page: an engine with a smaller cache, an answer, and what is kept on the device. */
async function load({ attention, cancelAt }: Wanted): Promise<Loaded> {
  const { createEngine, listStoredFiles } = (globalThis as unknown as { webmla: typeof Package }).webmla;
  const stages: string[] = [];
  const ids: number[] = [];
  const controller = new AbortController();
  let info: Loaded['info'] = null;
  let error: string | null = null;
  try {
    const engine = await createEngine({
      model: new URL('/models/tiny-chat/', location.href),
      attention,
      contextLength: 64,
      signal: controller.signal,
      onProgress: ({ stage }) => {
        if (stages.at(-1) !== stage) stages.push(stage);
        if (stage === cancelAt) controller.abort();
      },
    });
    const request = { prompt: 'Hello', max_tokens: 4, temperature: 0, stream: true } as const;
    for await (const { webmla } of await engine.completions.create(request))
      ids.push(...(webmla.token_ids ?? []));
    const { model, converted, kvBytesPerToken, notes } = engine.info;
    info = { model, converted, kvBytesPerToken, notes };
    engine.dispose();
  } catch (thrown) {
    error = (thrown as Package.WebMlaError).code;
  }
  const stored = (await listStoredFiles()).flatMap(({ urls }) => urls);
  return { ids, info, error, stages, stored };
}

test('Chromium: a worker calibrates and converts, the engine answers; another budget needs no second calibration and may be cancelled', async () => {
  if (!existsSync(join(root, 'lib/index.js')))
    throw new Error('lib: expected a built package; run npm run build');
  const folder = mkdtempSync(join(tmpdir(), 'webmla-loading-'));
  writeFileSync(
    join(folder, 'index.html'),
    `<!doctype html><meta charset="utf-8"><link rel="icon" href="data:,">
    <script type="module">import * as webmla from '/lib/index.js'; globalThis.webmla = webmla;</script>`,
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
    await page.waitForFunction(() => 'webmla' in globalThis);
    const half = { form: 'mla', kvBudget: 0.5, refit: false, calibration: { tokens: 128 } } as const;
    const first = await page.evaluate(load, { attention: half });
    expect(first.error).toBeNull();
    expect(first.info).toEqual({
      model: 'tiny-chat',
      converted: { method: 'webmla', form: 'reuse' },
      kvBytesPerToken: 12 * 192 * 2,
      notes: [expect.stringContaining('Products made ahead')],
    });
    expect(first.ids.length).toBe(4);
    expect(first.stages).toEqual(['read', 'calibrate', 'convert', 'upload', 'warm up']);
    expect(first.stored).toContainEqual(expect.stringMatching(/^webmla:\/\/calibration\/tiny-chat\//));
    for (const file of ['convert_worker', 'layer_worker', 'calibration_text'])
      expect(server.requests).toContain(`/lib/${file}.js`);

    const second = await page.evaluate(load, {
      attention: { ...half, kvBudget: 0.25 },
      cancelAt: 'convert',
    } as const);
    expect(second).toMatchObject({ error: 'aborted', stages: ['read', 'convert'] });
    expect(second.stored).toEqual(first.stored);
  } finally {
    await browser.close();
    await server.close();
    rmSync(folder, { recursive: true });
  }
});

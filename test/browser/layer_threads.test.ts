import { mkdtempSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { build } from 'esbuild';
import { expect, test } from 'vitest';
import { workerUrl } from '../../scripts/build.mjs';
import { serveFolders } from '../servers/static_server.ts';
import { launchChromium } from './browsers.ts';

const source = (path: string): string => fileURLToPath(new URL(path, import.meta.url));

test('Chromium: workers convert layers, bit for bit as the page does', async () => {
  const folder = mkdtempSync(join(tmpdir(), 'webmla-layers-'));
  await build({
    entryPoints: {
      harness: source('layer_harness.ts'),
      layer_worker: source('../../src/worker/layer_worker.ts'),
    },
    outdir: folder,
    bundle: true,
    format: 'esm',
    target: 'es2023',
    plugins: [workerUrl],
  });
  writeFileSync(
    join(folder, 'index.html'),
    '<!doctype html><meta charset="utf-8"><link rel="icon" href="data:,"><script type="module" src="harness.js"></script>',
  );
  const server = await serveFolders({ '/': folder });
  const browser = await launchChromium();
  try {
    const page = await browser.newPage();
    await page.goto(`${server.origin}/`);
    await page.waitForFunction(() => 'convertOnThreads' in globalThis);
    const result = await page.evaluate(() =>
      (globalThis as unknown as { convertOnThreads: () => Promise<unknown> }).convertOnThreads(),
    );
    expect(result).toEqual({ answers: 5, same: 5 });
  } finally {
    await browser.close();
    await server.close();
    rmSync(folder, { recursive: true });
  }
});

import { mkdtempSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { build } from 'esbuild';
import { wgsl } from '../../scripts/build.mjs';

/** Bundles harness.ts beside a page that loads it. @returns the folder */
export async function bundleHarness(): Promise<string> {
  const folder = mkdtempSync(join(tmpdir(), 'webmla-harness-'));
  await build({
    entryPoints: [fileURLToPath(new URL('harness.ts', import.meta.url))],
    outfile: join(folder, 'harness.js'),
    bundle: true,
    format: 'esm',
    target: 'es2023',
    plugins: [wgsl],
    logLevel: 'warning',
  });
  writeFileSync(
    join(folder, 'index.html'),
    '<!doctype html><meta charset="utf-8"><title>harness</title><link rel="icon" href="data:,"><script type="module" src="harness.js"></script>',
  );
  return folder;
}

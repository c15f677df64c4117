import { execFileSync } from 'node:child_process';
import {
  existsSync,
  mkdirSync,
  mkdtempSync,
  readdirSync,
  readFileSync,
  rmSync,
  writeFileSync,
} from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { gzipSync } from 'node:zlib';
import { build as esbuild } from 'esbuild';
import type { Browser } from 'playwright-core';
import { build as vite } from 'vite';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { serveFolders } from '../servers/static_server.ts';
import { launchChromium } from './browsers.ts';

/** What `npm pack` makes, installed into empty apps that run the README's example. */

const root = fileURLToPath(new URL('../..', import.meta.url));
const models = join(root, 'public/models');
let folder = '';
let tarball = '';
let browser: Browser;

beforeAll(async () => {
  if (!existsSync(join(root, 'lib/index.js')))
    throw new Error('lib: expected a built package; run npm run build');
  folder = mkdtempSync(join(tmpdir(), 'webmla-pack-'));
  const [{ filename }] = JSON.parse(
    execFileSync('npm', ['pack', '--json', '--pack-destination', folder], {
      cwd: root,
      stdio: ['ignore', 'pipe', 'ignore'],
    }).toString(),
  );
  tarball = join(folder, filename);
  browser = await launchChromium();
});

afterAll(async () => {
  await browser?.close();
  rmSync(folder, { recursive: true, force: true });
});

/** The README's first JavaScript block, with the embedded model in place of the Hub's, and the engine left where a test sees it. */
function example(): string {
  const block = /```js\n([\s\S]*?)```/.exec(readFileSync(join(root, 'README.md'), 'utf8'))?.[1];
  if (!block) throw new Error('README.md: expected a block of JavaScript');
  const hub = "'HuggingFaceTB/SmolLM2-135M-Instruct'";
  expect(block).toContain(hub);
  expect(block.trim().split('\n').length).toBeLessThanOrEqual(10);
  const local = block.replace(hub, "new URL('/models/tiny-chat/', location.href)");
  return `${local}\nglobalThis.engine = engine;\n`;
}

function makeApp(name: string): string {
  const app = join(folder, name);
  mkdirSync(app);
  writeFileSync(join(app, 'package.json'), JSON.stringify({ name, private: true, type: 'module' }));
  execFileSync('npm', ['install', '--omit=optional', '--no-audit', '--no-fund', tarball], {
    cwd: app,
    stdio: 'ignore',
  });
  writeFileSync(join(app, 'main.js'), example());
  writeFileSync(
    join(app, 'index.html'),
    '<!doctype html><meta charset="utf-8"><link rel="icon" href="data:,"><body><script type="module" src="/main.js"></script>',
  );
  return app;
}

/** Opens the app and waits for an answer. @returns what it said and what the engine noted */
async function runApp(dist: string): Promise<{ text: string; notes: readonly string[] }> {
  const server = await serveFolders({ '/': dist, '/models/': models });
  const page = await browser.newPage();
  const errors: string[] = [];
  page.on('pageerror', (error) => errors.push(String(error)));
  try {
    await page.goto(`${server.origin}/`);
    await page.waitForFunction(() => 'engine' in globalThis, undefined, { timeout: 120_000 });
    expect(errors).toEqual([]);
    return await page.evaluate(() => ({
      text: document.querySelector('p')?.textContent ?? '',
      notes: (globalThis as unknown as { engine: { info: { notes: string[] } } }).engine.info.notes,
    }));
  } finally {
    await page.close();
    await server.close();
  }
}

describe('the packed package', () => {
  test('holds what it should and nothing else', () => {
    const listed = execFileSync('tar', ['tzf', tarball]).toString().trim().split('\n');
    for (const name of [
      'lib/index.js',
      'lib/worker.js',
      'lib/convert_worker.js',
      'lib/layer_worker.js',
      'lib/calibration_text.js',
      'lib/calibration_text.md',
      'lib/node_layer_worker.js',
      'lib/node.js',
      'lib/cli.js',
      'lib/convert.js',
      'lib/types/index.d.ts',
      'README.md',
      'LICENSE',
    ]) {
      expect(listed).toContain(`package/${name}`);
    }
    expect(
      listed.filter((name) => /\.wasm$|safetensors$|node_modules|^package\/(src|test)\//.test(name)),
    ).toEqual([]);
  });

  test('main entry, worker and shaders are at most 100 kB gzip, without WebAssembly', () => {
    const read = (name: string): string => readFileSync(join(root, 'lib', name), 'utf8');
    // What the main entry brings along at once; what it imports on demand is not part of it.
    const chunks = Array.from(
      read('index.js').matchAll(/(?:from|import)\s*"\.\/(chunks\/[^"]+)"/g),
      ([, name]) => name!,
    );
    const sizes = ['index.js', ...chunks, 'worker.js'].map((name) => gzipSync(read(name)).length);
    const together = sizes.reduce((sum, size) => sum + size, 0);
    console.info(
      `gzip: index.js and its ${chunks.length} chunks, worker.js: ${sizes.join(' + ')} = ${together} bytes`,
    );
    expect(together).toBeLessThanOrEqual(100_000);
    const files = ['', 'chunks'].flatMap((sub) =>
      readdirSync(join(root, 'lib', sub))
        .filter((name) => name.endsWith('.js'))
        .map((name) => join(root, 'lib', sub, name)),
    );
    expect(files.filter((file) => readFileSync(file, 'utf8').includes('WebAssembly'))).toEqual([]);
  });

  test('an empty Vite app runs the README example in a worker', async () => {
    const app = makeApp('vite-app');
    await vite({ root: app, logLevel: 'error', configFile: false });
    const { text, notes } = await runApp(join(app, 'dist'));
    expect(text.length).toBeGreaterThan(5);
    expect(notes).toEqual([]);
  });

  test('an empty esbuild app runs it, in a worker that is named as an entry', async () => {
    const app = makeApp('esbuild-app');
    const dist = join(app, 'dist');
    await esbuild({
      absWorkingDir: app,
      entryPoints: { main: 'main.js', worker: 'webmla/worker' },
      bundle: true,
      format: 'esm',
      outdir: dist,
      logLevel: 'error',
    });
    writeFileSync(join(dist, 'index.html'), readFileSync(join(app, 'index.html')));
    const { text, notes } = await runApp(dist);
    expect(text.length).toBeGreaterThan(5);
    expect(notes).toEqual([]);
  });

  test('without that entry it runs on the page, and says so', async () => {
    const app = makeApp('plain-app');
    const dist = join(app, 'dist');
    await esbuild({
      absWorkingDir: app,
      entryPoints: ['main.js'],
      bundle: true,
      format: 'esm',
      outdir: dist,
      logLevel: 'error',
    });
    writeFileSync(join(dist, 'index.html'), readFileSync(join(app, 'index.html')));
    const { text, notes } = await runApp(dist);
    expect(text.length).toBeGreaterThan(5);
    expect(notes.join(' ')).toContain("runs on the page's thread");
  });
});

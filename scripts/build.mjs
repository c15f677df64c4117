// Builds the pages (dist/) and the npm package (lib/): JavaScript by esbuild, declarations by tsc.
import { execFileSync } from 'node:child_process';
import { rmSync } from 'node:fs';
import { readFile } from 'node:fs/promises';
import { createRequire } from 'node:module';
import { dirname, join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { build as esbuild } from 'esbuild';
import { build as vite } from 'vite';

const root = join(dirname(fileURLToPath(import.meta.url)), '..');
const require = createRequire(import.meta.url);

/** `import text from './x.wgsl?raw'`, as Vite has it. Comments and indentation stay in the source and out of the package. */
const wgsl = {
  name: 'wgsl',
  setup(build) {
    build.onLoad({ filter: /\.wgsl$/ }, async ({ path }) => {
      const text = await readFile(path, 'utf8');
      const lines = text.split('\n').map((line) => line.replace(/\s*\/\/.*$/, '').trim());
      // Lines are kept: a compiler message still names the line of the source file.
      return { contents: lines.join('\n'), loader: 'text' };
    });
    build.onResolve({ filter: /\.wgsl\?raw$/ }, ({ path, resolveDir }) => ({
      path: join(resolveDir, path.replace('?raw', '')),
    }));
  },
};

/** In the sources the worker is worker.ts beside its client; in the package it is worker.js beside index.js. */
const workerUrl = {
  name: 'worker-url',
  setup(build) {
    build.onLoad({ filter: /src\/worker\/spawn\.ts$/ }, async ({ path }) => {
      const text = await readFile(path, 'utf8');
      return { contents: text.replace("'./worker.ts'", "'./worker.js'"), loader: 'ts' };
    });
  },
};

/** The hub and GGUF libraries choose their browser build by a field that bundlers ignore beside `exports`. */
const browserBuild = (name) => join(dirname(require.resolve(`${name}/package.json`)), 'dist/browser/index.mjs');
const packageFolder = (name) => join(root, 'node_modules', name);
export const alias = {
  '@huggingface/hub': join(packageFolder('@huggingface/hub'), 'dist/browser/index.mjs'),
  '@huggingface/gguf': join(packageFolder('@huggingface/gguf'), 'dist/browser/index.mjs'),
  // The GGUF reader needs two tables of the 200 kB that this package is.
  '@huggingface/tasks': join(packageFolder('@huggingface/tasks'), 'dist/esm/gguf.js'),
};
void browserBuild;

const shared = {
  absWorkingDir: root,
  bundle: true,
  minify: true,
  sourcemap: true,
  format: 'esm',
  target: 'es2023',
  plugins: [wgsl, workerUrl],
  alias,
  legalComments: 'none',
  logLevel: 'warning',
  outdir: 'lib',
};

export async function buildPackage() {
  rmSync(join(root, 'lib'), { recursive: true, force: true });
  // The worker stands alone: bundlers that make classic workers cannot split it.
  await esbuild({ ...shared, entryPoints: { worker: 'src/worker/worker.ts' }, platform: 'browser' });
  await esbuild({
    ...shared,
    entryPoints: { index: 'src/index.ts', convert: 'src/convert/index.ts' },
    platform: 'browser',
    splitting: true,
    chunkNames: 'chunks/[name]-[hash]',
  });
  await esbuild({
    ...shared,
    entryPoints: { node: 'src/node.ts', cli: 'src/cli/main.ts' },
    platform: 'node',
    target: 'node20',
    splitting: true,
    chunkNames: 'chunks/node-[name]-[hash]',
    external: ['webgpu'],
  });
  execFileSync(process.execPath, [join(root, 'node_modules/typescript/bin/tsc'), '-p', 'tsconfig.lib.json'], {
    cwd: root,
    stdio: 'inherit',
  });
}

export async function buildSite() {
  await vite({ root, configFile: join(root, 'vite.config.ts'), logLevel: 'warn' });
}

if (process.argv[1] === fileURLToPath(import.meta.url)) {
  await buildPackage();
  await buildSite();
}

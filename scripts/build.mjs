// Builds the pages (dist/) and the npm package (lib/): JavaScript by esbuild, declarations by tsc.
import { execFileSync } from 'node:child_process';
import { copyFileSync, readdirSync, rmSync } from 'node:fs';
import { readFile, writeFile } from 'node:fs/promises';
import { basename, dirname, join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { build as esbuild } from 'esbuild';
import { minify } from 'terser';
import { build as vite } from 'vite';
import { shorten, shortNames } from './short_wgsl.mjs';

const root = join(dirname(fileURLToPath(import.meta.url)), '..');

/** `import text from './x.wgsl?raw'`, as Vite has it, but shortened. */
export const wgsl = {
  name: 'wgsl',
  setup(build) {
    const names = shortNames();
    build.onResolve({ filter: /\.(?:wgsl|txt)\?raw$/ }, ({ path, resolveDir }) => ({
      path: join(resolveDir, path.replace('?raw', '')),
    }));
    build.onLoad({ filter: /\.wgsl$/ }, async ({ path }) => ({
      contents: shorten(await readFile(path, 'utf8'), names).replaceAll('\n', '#'),
      loader: 'text',
    }));
  },
};

/** In the sources a worker is X.ts beside its caller; in the package it is X.js beside index.js. */
export const workerUrl = {
  name: 'worker-url',
  setup(build) {
    build.onLoad({ filter: /src\/worker\/(spawn|layer_threads)\.ts$/ }, async ({ path }) => {
      const text = await readFile(path, 'utf8');
      return {
        contents: text.replaceAll(/'\.\/(\w+)\.ts', import\.meta/g, "'./$1.js', import.meta"),
        loader: 'ts',
      };
    });
  },
};

const shared = {
  absWorkingDir: root,
  bundle: true,
  minify: true,
  sourcemap: true,
  format: 'esm',
  target: 'es2023',
  loader: { '.txt': 'text' },
  plugins: [wgsl, workerUrl],
  legalComments: 'none',
  logLevel: 'warning',
  outdir: 'lib',
};

export async function buildPackage() {
  rmSync(join(root, 'lib'), { recursive: true, force: true });
  // Workers stand alone: bundlers that make classic workers cannot split them.
  await esbuild({
    ...shared,
    entryPoints: {
      worker: 'src/worker/worker.ts',
      convert_worker: 'src/worker/convert_worker.ts',
      layer_worker: 'src/worker/layer_worker.ts',
    },
    platform: 'browser',
  });
  await esbuild({
    ...shared,
    // The text as an entry has a name, beside which its licences lie.
    entryPoints: {
      index: 'src/index.ts',
      convert: 'src/convert/index.ts',
      calibration_text: 'src/runtime/calibration_text.ts',
    },
    platform: 'browser',
    splitting: true,
    chunkNames: 'chunks/[name]-[hash]',
  });
  await minifyAgain();
  await esbuild({
    ...shared,
    entryPoints: {
      node: 'src/node.ts',
      cli: 'src/cli/main.ts',
      node_layer_worker: 'src/cli/node_layer_worker.ts',
    },
    platform: 'node',
    target: 'node20',
    splitting: true,
    chunkNames: 'chunks/node-[name]-[hash]',
    external: ['webgpu'],
  });
  copyFileSync(join(root, 'src/runtime/calibration_text.md'), join(root, 'lib/calibration_text.md'));
  const tsc = join(root, 'node_modules/typescript/bin/tsc');
  execFileSync(process.execPath, [tsc, '-p', 'tsconfig.lib.json'], { cwd: root, stdio: 'inherit' });
}

/** What browsers load of the package: terser finds another 3 % of it. */
async function minifyAgain() {
  const files = readdirSync(join(root, 'lib'), { recursive: true }).filter((name) => name.endsWith('.js'));
  for (const name of files) {
    const path = join(root, 'lib', name);
    const [text, map] = await Promise.all([readFile(path, 'utf8'), readFile(`${path}.map`, 'utf8')]);
    const made = await minify(text, {
      module: true,
      ecma: 2020,
      compress: {
        ecma: 2020,
        passes: 3,
        keep_fargs: false,
        sequences: false,
        unsafe_arrows: true,
        unsafe_methods: true,
      },
      sourceMap: { content: map, url: `${basename(path)}.map` },
    });
    await Promise.all([writeFile(path, made.code), writeFile(`${path}.map`, made.map)]);
  }
}

export async function buildSite() {
  await vite({ root, configFile: join(root, 'vite.config.ts'), logLevel: 'warn' });
  copyFileSync(join(root, 'src/runtime/calibration_text.md'), join(root, 'dist/calibration_text.md'));
}

if (process.argv[1] === fileURLToPath(import.meta.url)) {
  await buildPackage();
  await buildSite();
}

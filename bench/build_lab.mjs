// node bench/build_lab.mjs out.mjs: bundles bench/prefill_lab.ts for Node; `webgpu` must be found from where out.mjs lies.
import { dirname, join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { build } from 'esbuild';
import { wgsl } from '../scripts/build.mjs';

const root = join(dirname(fileURLToPath(import.meta.url)), '..');
await build({
  absWorkingDir: root,
  entryPoints: ['bench/prefill_lab.ts'],
  outfile: process.argv[2] ?? join(root, 'lib/prefill_lab.mjs'),
  bundle: true,
  format: 'esm',
  platform: 'node',
  target: 'node20',
  external: ['webgpu'],
  plugins: [wgsl],
});

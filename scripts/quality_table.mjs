// Builds what measures the converter's tables (docs/conversion.md) in one process on one GPU:
//
//   node scripts/quality_table.mjs DIR        writes DIR/quality.js and DIR/node_layer_worker.js, which need the package webgpu only
//   node DIR/quality.js --model FILE [--calibration ROWS.npy] --text NAME=FILE:WINDOWS ... [--beside NAME=FILE:WINDOWS ...] --out RESULTS.jsonl
//        [--first-token ID] [--statistics FILE] [--limit SECONDS] [--row NAME ...] [--again] [--profile] [--list]
//
// Rows run in the order of scripts/quality/rows.ts, or of --row; each is a line of RESULTS as soon as it is there, and rows that
// have a line are left out, so that a run that was cut can be gone on with. --statistics is read if it is there, else written.
import { join, resolve } from 'node:path';
import { build } from 'esbuild';
import { wgsl } from './build.mjs';

const root = join(import.meta.dirname, '..');
const out = process.argv[2];
if (out === undefined) throw new Error('expected a folder to write to');
await build({
  absWorkingDir: root,
  entryPoints: { quality: 'scripts/quality/main.ts', node_layer_worker: 'src/cli/node_layer_worker.ts' },
  outdir: resolve(out),
  bundle: true,
  minify: true,
  format: 'esm',
  platform: 'node',
  target: 'node20',
  loader: { '.txt': 'text' },
  plugins: [wgsl],
  external: ['webgpu'],
  logLevel: 'warning',
});

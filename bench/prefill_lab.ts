/**
 * What each kernel of a prefill takes on the GPU at hand, by shape and variant: a laboratory, run by hand with Dawn for Node.
 *   node bench/build_lab.mjs out.mjs && node out.mjs [--tokens 2048] [--only peak,int8,exact,attention] [--shapes llama] [--quick]
 * Each figure is the median of three runs of at least 5 ms between two timestamps; a sample of outputs is held against the CPU.
 */
import { create, globals } from 'webgpu';
import { openGpu } from '../src/gpu/device.ts';
import { Stopwatch } from '../src/gpu/profile.ts';
import { runAttention } from './lab_attention.ts';
import type { Lab } from './lab.ts';
import { runPeak } from './lab_peak.ts';
import { runProducts } from './lab_products.ts';

const option = (name: string, fallback: string): string => {
  const at = process.argv.indexOf(`--${name}`);
  return at < 0 ? fallback : (process.argv[at + 1] ?? fallback);
};

Object.assign(globalThis, globals);
// Kept on globalThis: Dawn ends the process when its instance is collected while a device lives.
const dawn = create([]);
Object.assign(globalThis, { dawn });
const gpu = await openGpu(dawn);
const quick = process.argv.includes('--quick');
const lab: Lab = {
  gpu,
  stopwatch: new Stopwatch(gpu),
  tokens: option('tokens', quick ? '65' : '2048')
    .split(',')
    .map(Number),
  shapes: option('shapes', ''),
  targetMs: quick ? 0 : 5,
  quick,
  print: (line) => void process.stdout.write(`${line}\n`),
};
const only = option('only', 'peak,int8,exact,attention').split(',');
lab.print(`${gpu.info.vendor} ${gpu.info.architecture} ${gpu.info.description}`);
const started = performance.now();
if (only.includes('peak')) await runPeak(lab);
if (only.includes('int8') || only.includes('exact')) await runProducts(lab, only);
if (only.includes('attention')) await runAttention(lab);
lab.print(`${((performance.now() - started) / 1000).toFixed(1)} s`);
process.exit(0);

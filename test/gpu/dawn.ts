import { existsSync } from 'node:fs';
import { create, globals } from 'webgpu';
import { openGpu } from '../../src/gpu/device.ts';
import type { Gpu } from '../../src/gpu/device.ts';

/** Where Debian's Chromium keeps its software GPU; Dawn for Node runs on the same one. */
const SWIFTSHADER = '/usr/lib/chromium/vk_swiftshader_icd.json';

/** Kept: Dawn crashes the process when the instance is collected while its device lives. */
let instance: GPU | undefined;
let gpu: Promise<Gpu> | undefined;

/** One device for all tests of a file. Fails loudly without an adapter: a GPU test that runs nothing must not be green. */
export function testGpu(): Promise<Gpu> {
  process.env['VK_ICD_FILENAMES'] ??= existsSync(SWIFTSHADER) ? SWIFTSHADER : '';
  Object.assign(globalThis, globals);
  instance ??= create([]);
  gpu ??= openGpu(instance);
  return gpu;
}

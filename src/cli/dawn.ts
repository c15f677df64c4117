import { existsSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { WebMlaError } from '../core/errors.ts';

/** Where Debian's Chromium keeps its software GPU: better than nothing on a machine whose drivers Dawn refuses. */
const SWIFTSHADER = '/usr/lib/chromium/vk_swiftshader_icd.json';

type Dawn = { readonly create: (flags: string[]) => GPU; readonly globals: object };

/** Kept: Dawn ends the process when its instance is collected while a device lives. */
let instance: GPU | undefined;

/**
 * WebGPU in Node: the machine's GPU, else SwiftShader where Chromium is installed.
 * @throws WebMlaError `no_webgpu`
 */
export async function openDawn(): Promise<GPU> {
  if (instance) return instance;
  const dawn = await loadDawn();
  // The Vulkan loader complains on standard error without it.
  process.env['XDG_RUNTIME_DIR'] ??= tmpdir();
  Object.assign(globalThis, dawn.globals);
  instance = dawn.create([]);
  if (await instance.requestAdapter()) return instance;
  const chosen = process.env['VK_ICD_FILENAMES'] ?? process.env['VK_DRIVER_FILES'];
  if (chosen === undefined && existsSync(SWIFTSHADER)) {
    process.env['VK_ICD_FILENAMES'] = SWIFTSHADER;
    instance = dawn.create([]);
    if (await instance.requestAdapter()) return instance;
  }
  instance = undefined;
  throw new WebMlaError(
    'no_webgpu',
    'WebGPU for Node: expected a GPU with a Vulkan, Metal or D3D12 driver, got none',
    'On Debian without a GPU: apt-get install libvulkan1 chromium (its software GPU is used).',
  );
}

async function loadDawn(): Promise<Dawn> {
  try {
    return await import('webgpu');
  } catch (error) {
    throw new WebMlaError(
      'no_webgpu',
      'WebGPU for Node: expected the package webgpu, got none',
      'npm install webgpu',
      {},
      error,
    );
  }
}

import { existsSync } from 'node:fs';
import { createRequire } from 'node:module';
import { join } from 'node:path';

/** playwright-core of this repository, or of the folder that the command runs in. */
function playwright() {
  for (const base of [import.meta.url, join(process.cwd(), 'package.json')]) {
    try {
      return createRequire(base)('playwright-core');
    } catch {
      // the next
    }
  }
  throw new Error('playwright-core: expected beside bench/ or in the current folder, got none');
}

const SOFTWARE = ['--use-webgpu-adapter=swiftshader'];
const VULKAN = [
  '--ignore-gpu-blocklist',
  '--enable-features=Vulkan',
  '--use-angle=vulkan',
  '--use-vulkan=native',
  '--disable-vulkan-surface',
  '--disable-gpu-sandbox',
  '--enable-dawn-features=vulkan_enable_f16_on_nvidia',
];

/** Headless Chromium. CHROMIUM names another one, CHROMIUM_LIBS a folder of libraries that it needs. */
export function openBrowser(software) {
  const executablePath =
    process.env.CHROMIUM ??
    ['/usr/bin/chromium-headless-shell', '/usr/bin/chromium'].find((path) => existsSync(path));
  const libraries = process.env.CHROMIUM_LIBS;
  return playwright().chromium.launch({
    executablePath,
    env: { ...process.env, ...(libraries && { LD_LIBRARY_PATH: libraries }) },
    args: [
      '--no-sandbox',
      '--enable-unsafe-webgpu',
      '--disable-background-networking',
      '--disable-component-update',
      '--no-first-run',
      ...(software ? SOFTWARE : VULKAN),
    ],
  });
}

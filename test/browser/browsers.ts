import { existsSync } from 'node:fs';
import { chromium } from 'playwright-core';
import type { Browser } from 'playwright-core';
import { launch } from 'puppeteer-core';
import type { Browser as Firefox } from 'puppeteer-core';

/** The two browsers of the tests, on software GPUs, without a network of their own. */

const CHROMIUM = process.env['CHROMIUM'] ?? '/usr/bin/chromium';
const FIREFOX = process.env['FIREFOX'] ?? '/usr/bin/firefox-esr';
const LAVAPIPE = '/usr/share/vulkan/icd.d/lvp_icd.x86_64.json';

/** Dawn and Tint on SwiftShader: subgroups of 4, no shader-f16. */
export async function launchChromium(extraArgs: readonly string[] = []): Promise<Browser> {
  requireFile(CHROMIUM);
  return chromium.launch({
    executablePath: CHROMIUM,
    args: [
      '--no-sandbox',
      '--enable-unsafe-webgpu',
      '--use-webgpu-adapter=swiftshader',
      '--disable-background-networking',
      '--disable-component-update',
      '--disable-sync',
      '--no-first-run',
      '--disable-quic',
      ...extraArgs,
    ],
  });
}

/** wgpu and Naga on Mesa's lavapipe: no subgroups, bindings of 128 MiB, readback polled every 100 ms. */
export async function launchFirefox(): Promise<Firefox> {
  requireFile(FIREFOX);
  requireFile(LAVAPIPE);
  return launch({
    browser: 'firefox',
    executablePath: FIREFOX,
    headless: true,
    env: { ...process.env, VK_ICD_FILENAMES: LAVAPIPE, MOZ_REMOTE_SETTINGS_DEVTOOLS: '1' },
    extraPrefsFirefox: {
      'dom.webgpu.enabled': true,
      'dom.webgpu.workers.enabled': true,
      'gfx.webgpu.ignore-blocklist': true,
      'app.normandy.enabled': false,
      'datareporting.policy.dataSubmissionEnabled': false,
      'network.captive-portal-service.enabled': false,
      'network.connectivity-service.enabled': false,
      'services.settings.server': 'data:,',
    },
  });
}

function requireFile(path: string): void {
  if (!existsSync(path))
    throw new Error(`${path}: expected this file for the browser tests; npm test installs it`);
}

// node scripts/take_screenshots.mjs [NAME]...: the pictures in docs/images, of the built pages (npm run build), on a software
// GPU. Look at them after a change to the pages, then commit those that changed. chat-dark needs WEBMLA_MODELS.
import { writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { chromium } from 'playwright-core';
import { preview } from 'vite';
import { root } from './setup.mjs';

const out = join(root, 'docs/images');
const models = process.env.WEBMLA_MODELS ?? join(root, '../shared/models');
const SMOLLM2 = 'SmolLM2-135M-Instruct/SmolLM2-135M-Instruct.Q4_1.gguf';
const QUIET = [
  '--disable-background-networking',
  '--disable-component-update',
  '--disable-sync',
  '--no-first-run',
];
const SWIFTSHADER = ['--enable-unsafe-webgpu', '--use-webgpu-adapter=swiftshader'];
const NO_GPU = ['--disable-gpu', '--disable-software-rasterizer'];
const DESK = { viewport: { width: 1280, height: 800 } };
const PHONE = { viewport: { width: 390, height: 844 }, hasTouch: true, isMobile: true, deviceScaleFactor: 2 };

const server = await preview({ root, preview: { port: 0 } });
const url = server.resolvedUrls.local[0];

/** Of a tall page WebP is a third of PNG. @param last what ends the picture, where it is of more than the window */
async function shootWebp(page, name, last) {
  const session = await page.context().newCDPSession(page);
  const { width } = page.viewportSize();
  const bottom =
    last && (await page.locator(last).evaluate((one) => one.getBoundingClientRect().bottom + scrollY));
  const { data } = await session.send('Page.captureScreenshot', {
    format: 'webp',
    quality: 75,
    ...(last && { captureBeyondViewport: true, clip: { x: 0, y: 0, width, height: bottom + 24, scale: 1 } }),
  });
  writeFileSync(join(out, `${name}.webp`), Buffer.from(data, 'base64'));
}

/**
 * A page with what an earlier visit kept; `state` brings it to where the picture is taken.
 * @param views [name, width, theme]: several pictures, down to the end of `last`, instead of one
 */
async function picture(name, { kept = {}, gpu = true, webp = false, views, last, ...view }, state) {
  if (process.argv.length > 2 && !process.argv.includes(name)) return;
  const args = ['--no-sandbox', ...QUIET, ...(gpu ? SWIFTSHADER : NO_GPU)];
  const browser = await chromium.launch({ executablePath: '/usr/bin/chromium', args });
  const page = await (await browser.newContext({ ...DESK, ...view })).newPage();
  page.setDefaultTimeout(300_000);
  await page.addInitScript((values) => {
    for (const [key, value] of Object.entries(values)) {
      localStorage.setItem(`webmla.${key}`, JSON.stringify(value));
    }
  }, kept);
  await state(page);
  await page.waitForTimeout(500);
  if (!views && webp) await shootWebp(page, name);
  else if (!views) await page.screenshot({ path: join(out, `${name}.png`) });
  for (const [viewName, width, colorScheme] of views ?? []) {
    await page.emulateMedia({ colorScheme });
    await page.setViewportSize({ width, height: 900 });
    // A link that stands above the page would be in the picture of the whole of it.
    await page.locator('.skip-link').evaluate((link) => (link.hidden = true));
    await page.waitForTimeout(300);
    await shootWebp(page, viewName, last);
  }
  console.log(name);
  await browser.close();
}

const ready = (page) => page.getByPlaceholder('Write to the model').waitFor();

async function open(page) {
  await page.goto(url);
  await ready(page);
}

async function ask(page, text) {
  await page.getByRole('textbox', { name: 'Message' }).fill(text);
  await page.keyboard.press('Enter');
  await page.getByRole('button', { name: 'Regenerate' }).waitFor();
}

const RAIN = 'What should I do on a rainy day?';
const GRAVITY = 'Explain gravity in simple words.';

await picture('chat-light', { kept: { sampling: { seed: 11 } } }, async (page) => {
  await open(page);
  for (const question of [RAIN, GRAVITY]) {
    await ask(page, question);
    await page.getByRole('button', { name: 'New chat' }).click();
  }
  await ask(page, 'Hello! How are you doing?');
  await ask(page, 'Tell me a short story about a cat and a boat.');
});

const dark = { colorScheme: 'dark', kept: { sampling: { temperature: 0, max_tokens: 190 } } };
await picture('chat-dark', dark, async (page) => {
  await open(page);
  await page.getByRole('button', { name: /^Model:/ }).click();
  await page.getByTestId('model-files').setInputFiles(join(models, SMOLLM2));
  await page.getByRole('button', { name: /^Model: SmolLM2/ }).waitFor();
  await ready(page);
  await ask(page, 'Write a short Python function that adds two numbers, and explain it in three steps.');
});

await picture('chat-settings', { colorScheme: 'dark' }, async (page) => {
  await open(page);
  await page.getByRole('button', { name: 'Settings' }).click();
});

await picture('chat-models', {}, async (page) => {
  await open(page);
  await page.getByRole('button', { name: /^Model:/ }).click();
});

await picture('chat-loading', {}, async (page) => {
  const network = await page.context().newCDPSession(page);
  await page.goto(url);
  await network.send('Network.emulateNetworkConditions', {
    offline: false,
    latency: 0,
    downloadThroughput: 3e6,
    uploadThroughput: -1,
  });
  await page.reload();
  await page.getByText('left').waitFor();
  await page.getByRole('textbox', { name: 'Message' }).fill('Tell me a short story about');
});

const tooLong = { colorScheme: 'dark', kept: { 'load-options': { contextLength: 9999 } } };
await picture('chat-error', tooLong, async (page) => {
  await page.goto(url);
  await page.getByRole('alert').waitFor();
});

await picture('chat-no-webgpu', { gpu: false }, async (page) => {
  await page.goto(url);
  await page.getByRole('heading', { name: 'WebGPU' }).waitFor();
});

await picture('chat-phone', { ...PHONE, kept: { sampling: { seed: 3 } } }, async (page) => {
  await open(page);
  await ask(page, RAIN);
  await ask(page, GRAVITY);
  await page.locator('.strip-summary').click();
});

const narrow = { 'load-options': { contextLength: 160 }, sampling: { seed: 5, max_tokens: 60 } };
await picture('chat-phone-context', { ...PHONE, colorScheme: 'dark', kept: narrow }, async (page) => {
  await open(page);
  for (const question of [
    RAIN,
    'And with children?',
    'Why is sleep important?',
    'Give me three ideas for dinner.',
  ]) {
    await ask(page, question);
  }
  await page.locator('.context-mark').scrollIntoViewIfNeeded();
});

await picture('bench-light', { viewport: { width: 1280, height: 1240 } }, async (page) => {
  await page.goto(`${url}bench.html`);
  for (const form of ['GQA', 'MLA']) {
    await page.getByRole('radio', { name: form }).check();
    await page.getByRole('button', { name: 'Run' }).click();
    await page.getByRole('button', { name: `Remove tiny-chat, ${form}, f16` }).waitFor();
  }
});

/** The page that converts, at work. */
async function convert(page, settings) {
  await page.goto(`${url}convert.html?${settings}`);
  await page.getByRole('button', { name: 'Convert', exact: true }).click();
}

const tall = { webp: true, viewport: { width: 1280, height: 1560 } };
await picture('convert-light', tall, async (page) => {
  await convert(page, 'kvBudget=0.6&calibrationTokens=512&refit=off');
  await page.getByRole('button', { name: /^Remove reuse, \d+ %/ }).waitFor();
  await page.evaluate(() => scrollTo(0, 0));
});

await picture('convert-running-dark', { webp: true, colorScheme: 'dark' }, async (page) => {
  await convert(page, 'kvBudget=0.6&calibrationTokens=256');
  await page.getByText(/^Calibrating layer [7-9] of/).waitFor();
});

await picture('convert-phone', { ...PHONE, webp: true, colorScheme: 'dark' }, async (page) => {
  await convert(page, 'kvBudget=0.6&calibrationTokens=256&refit=off');
  await page.getByRole('button', { name: /^Remove reuse, \d+ %/ }).waitFor();
  await page
    .getByRole('heading', { name: 'What a budget costs' })
    .evaluate((title) => title.scrollIntoView());
});

// One race, looked at twice. Of times on a software adapter see docs/adr/0005.
const raceViews = [
  ['race-light', 1440, 'light'],
  ['race-phone-dark', 390, 'dark'],
];
await picture('race', { views: raceViews, last: '.plots' }, async (page) => {
  await page.goto(`${url}latency.html?tokens=40`);
  for (const [start, end] of [
    ['Start', 'They take turns'],
    ['Run sweep', 'KL against the original'],
  ]) {
    await page.getByRole('button', { name: start }).click();
    await page.getByText(end).waitFor();
    await page.getByRole('button', { name: start }).waitFor();
  }
});

// All kernels take minutes here.
const verifyDark = { colorScheme: 'dark', viewport: { width: 1280, height: 1160 } };
await picture('verify-dark', verifyDark, async (page) => {
  await page.goto(`${url}verify.html`);
  await page.getByRole('button', { name: 'Verify' }).click();
  await page.getByText('cases passed', { exact: false }).last().waitFor({ timeout: 900_000 });
});

await server.close();

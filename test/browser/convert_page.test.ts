import type { Browser, Page } from 'playwright-core';
import { afterAll, beforeAll, expect, test } from 'vitest';
import { launchChromium } from './browsers.ts';
import { ChatDriver, PATIENCE } from './chat_driver.ts';
import { serveSite } from './chat_site.ts';
import type { ChatSite } from './chat_site.ts';

/** convert.html as it is built, with as little calibration as shows that it works. */

let site: ChatSite;
let browser: Browser;

beforeAll(async () => {
  site = await serveSite();
  browser = await launchChromium();
});

afterAll(async () => {
  await browser?.close();
  await site?.close();
});

/** What `?auto=1` leaves. */
async function resultOf(page: Page): Promise<unknown> {
  await page.waitForFunction(() => '__result' in globalThis, undefined, { timeout: 180_000 });
  return page.evaluate(() => Reflect.get(globalThis, '__result'));
}

test('?auto=1 converts; what follows is cancelled, the result downloaded, chatted with, and not converted again', async () => {
  const kept = { sampling: { temperature: 0, max_tokens: 16 } };
  const driver = await ChatDriver.open(browser, site.url, { kept });
  const { page } = driver;
  await driver.goto(`convert.html?auto=1&calibrationTokens=64&refit=off&kvBudget=0.75`);
  const result = await resultOf(page);
  const number = expect.any(Number);
  // As outside checks read it.
  expect(JSON.parse(JSON.stringify(result))).toEqual(result);
  const { layers, kvBytesPerToken, quality } = result as {
    layers: readonly { kvLoraRank: number; qkRopeHeadDim: number }[];
    kvBytesPerToken: number;
    quality: { perplexity: number; originalPerplexity: number; rise: number; tokens: number };
  };
  expect(result).toMatchObject({
    form: 'reuse',
    cacheDtype: 'f16',
    calibrationTokens: 64,
    timings: { calibrateMs: number, convertMs: number, algebraMs: number, evaluateMs: number },
    stages: [
      { stage: 'read', ms: number, gpuBytes: 0 },
      { stage: 'calibrate' },
      { stage: 'convert' },
      { stage: 'evaluate' },
    ],
  });
  expect(layers).toHaveLength(12);
  // 12 layers, 3/4 of keys and values of 3 heads of 64, in two bytes.
  for (const { kvLoraRank, qkRopeHeadDim } of layers) expect(kvLoraRank + qkRopeHeadDim).toBe(288);
  expect(kvBytesPerToken).toBe(12 * 288 * 2);
  // Statistics of so few tokens make no good model; what is measured is what it is.
  expect(quality.tokens).toBe(63);
  expect(quality.rise).toBeCloseTo(Math.log(quality.perplexity / quality.originalPerplexity), 6);
  expect(quality.originalPerplexity).toBeLessThan(200);

  // The same on the page, for people.
  expect(await page.getByRole('img', { name: /^Eigenvalues of layer 0/ }).isVisible()).toBe(true);
  expect(await page.getByRole('row', { name: /^Cache a token 9.22 kB 6.91 kB −25 %/ }).isVisible()).toBe(
    true,
  );
  expect(await page.getByRole('row', { name: /^11 / }).isVisible()).toBe(true);

  // Cancelled in the middle of something else, nothing is lost.
  await page.getByText('Calibrated on 64 tokens. Another budget').waitFor(PATIENCE);
  await driver.button('Predict it for reuse').click();
  await page.getByText(/^Predicting layer/).waitFor(PATIENCE);
  await page.keyboard.press('Escape');
  await page.getByRole('alert').getByText('The calibration is kept.').waitFor(PATIENCE);

  await page.getByText('Download,').click();
  const downloading = page.waitForEvent('download');
  await page.getByRole('link', { name: 'config.json', exact: true }).click();
  expect((await downloading).suggestedFilename()).toBe('config.json');

  await driver.button('Chat with it').click();
  await driver.ready();
  await driver.send('Hello! How are you doing?');
  await driver.button('Regenerate').waitFor(PATIENCE);
  expect(await page.getByRole('button', { name: /^Model: tiny-chat-reuse-6912B-f16/ }).isVisible()).toBe(
    true,
  );
  expect(await page.getByRole('alert').count()).toBe(0);
  const name = new URL(page.url()).searchParams.get('model') ?? '';
  expect(name).toMatch(/^made:tiny-chat-reuse-6912B-f16$/);

  await driver.goto(`convert.html?auto=1&model=${name}`);
  expect(await resultOf(page)).toEqual({
    error: { code: 'unsupported', message: expect.stringContaining('converted already') },
  });
  await driver.close();
});

test.each([
  ['kvBudget=7', 'bad_request', /^kvBudget: expected a number above 0, at most 1, got "7"$/],
  ['form=loose', 'bad_request', /^form: expected one of reuse, recon, strict, got "loose"$/],
  ['model=./models/nothing/', 'missing_file', /expected config.json/],
])('?auto=1&%s says what is wrong', async (query, code, message) => {
  const driver = await ChatDriver.open(browser, site.url, { allowNotFound: true });
  await driver.goto(`convert.html?auto=1&${query}`);
  const error = { code, message: expect.stringMatching(message) };
  expect(await resultOf(driver.page)).toEqual({ error });
  await driver.close();
});

test('a person makes mistakes', async () => {
  const driver = await ChatDriver.open(browser, site.url);
  const { page } = driver;
  await driver.goto('convert.html?calibrationTokens=64');
  await page.getByText('12 layers, 6 heads in 3 KV heads of 64').waitFor(PATIENCE);

  await page.getByRole('radio', { name: 'Your text' }).check();
  await page.getByRole('textbox', { name: 'Text to calibrate on' }).fill('Far too short.');
  await driver.button('Convert').click();
  await page.getByRole('alert').getByText('expected at least two rows of 64 tokens').waitFor(PATIENCE);
  await page.getByRole('radio', { name: 'Statistics' }).check();
  await page.getByTestId('material-file').setInputFiles({
    name: 'notes.safetensors',
    mimeType: '',
    buffer: Buffer.from('this is none'),
  });
  await driver.button('Convert').click();
  await page.getByRole('alert').getByText('bad_file').waitFor(PATIENCE);

  await page.getByRole('radio', { name: 'Our text', exact: true }).check();
  await page.getByText('Exact widths').click();
  await page.getByRole('textbox', { name: 'kv_lora_rank' }).fill('many');
  await page.getByText('The widths make no sense for this model.').waitFor();
  await driver.button('Convert').click();
  await page.getByRole('alert').getByText('expected a whole number, got "many"').waitFor();
  await driver.close();
});

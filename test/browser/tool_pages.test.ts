import type { Browser, Page } from 'playwright-core';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { launchChromium } from './browsers.ts';
import { ChatDriver, PATIENCE } from './chat_driver.ts';
import { serveSite } from './chat_site.ts';
import type { ChatSite } from './chat_site.ts';

/** bench.html and verify.html as they are built, with as little work as shows that they do it. */

const LITTLE = 'model=./models/tiny-chat/&contexts=16&prefill=16';

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
  await page.waitForFunction(() => '__result' in globalThis, undefined, { timeout: 300_000 });
  return page.evaluate(() => Reflect.get(globalThis, '__result'));
}

async function autoResult(address: string): Promise<unknown> {
  const driver = await ChatDriver.open(browser, site.url);
  await driver.goto(address);
  const result = await resultOf(driver.page);
  // As outside checks read it.
  expect(JSON.parse(JSON.stringify(result))).toEqual(result);
  await driver.close();
  return result;
}

describe('bench.html', () => {
  test('?auto=1 gives what bench --json prints', async () => {
    const result = await autoResult(
      `bench.html?auto=1&${LITTLE}&attention=mla&cacheDtype=f32&features=ordinary`,
    );
    const speed = expect.any(Number);
    expect(result).toMatchObject({
      adapter: { architecture: 'swiftshader', software: true },
      features: expect.arrayContaining(['timestamp-query']),
      streamingGBs: speed,
      rows: [
        {
          attention: 'mla',
          form: 'strict',
          cacheDtype: 'f32',
          context: 16,
          decodeTokensPerSecond: speed,
          runsTokensPerSecond: [speed, speed, speed],
          spread: speed,
          dispatchesPerToken: 87,
          // 12 layers of a latent of 3 heads: keys and values.
          kvBytesPerToken: 12 * 2 * 3 * 64 * 4,
          attentionMs: speed,
          operations: expect.arrayContaining([expect.objectContaining({ operation: 'gate_up_proj' })]),
        },
      ],
      prefill: [{ attention: 'mla', tokens: 16, tokensPerSecond: speed }],
    });
  });

  test.each([
    ['contexts=9000', /^contexts: expected at most \d+ with this model, got 9000$/],
    ['shape=gpt-5', /^shape: expected one of smollm2-135m, .*got "gpt-5"$/],
    ['attention=mqa', /^attention: expected gqa or mla, got "mqa"$/],
  ])('?auto=1&%s says what is wrong', async (query, message) => {
    const error = { code: 'bad_request', message: expect.stringMatching(message) };
    expect(await autoResult(`bench.html?auto=1&${query}`)).toEqual({ error });
  });

  test('a person runs it, cancels it, and copies what came of it', async () => {
    const driver = await ChatDriver.open(browser, site.url);
    const { page } = driver;
    await driver.goto(`bench.html?${LITTLE}`);
    await page.getByRole('textbox', { name: 'Prefill' }).fill('sixteen');
    await page.getByText('Numbers with commas between them').waitFor();
    await page.keyboard.press('Enter');
    await page.getByRole('alert').getByText('bad_request').waitFor(PATIENCE);
    await page.getByRole('textbox', { name: 'Prefill' }).fill('16');
    await page.keyboard.press('Enter');
    await page.getByRole('progressbar', { name: 'Measuring' }).waitFor(PATIENCE);
    await page.keyboard.press('Escape');
    await page.getByRole('alert').getByText('Cancelled').waitFor(PATIENCE);

    await driver.button('Run').click();
    await driver.button('Remove tiny-chat, GQA, f16').waitFor(PATIENCE);
    expect(await page.getByRole('img', { name: /^Tokens a second by context/ }).isVisible()).toBe(true);
    expect(await page.getByRole('row', { name: /^gate_up_proj/ }).isVisible()).toBe(true);
    await driver.button('Copy Markdown').click();
    await page.getByRole('status').getByText('Copied.').waitFor();
    const copied = await page.evaluate(() => navigator.clipboard.readText());
    expect(copied).toMatch(/^tiny-chat, GQA, f16, on .*\(software\)\./);
    expect(copied).toMatch(/\| 16 \| [\d.]+ \| \d+ % \|/);
    // What was typed is there again on the next visit.
    await driver.goto('bench.html');
    await expect.poll(() => page.getByRole('textbox', { name: 'Contexts' }).inputValue()).toBe('16');
    await driver.close();
  });
});

describe('verify.html', () => {
  test('?auto=1 gives every case', async () => {
    const result = await autoResult('verify.html?auto=1&kernels=rms_norm,embed_tokens');
    expect(result).toMatchObject({ adapter: { software: true }, passed: expect.any(Number), failed: 0 });
    const { passed, cases } = result as { passed: number; cases: readonly { kernel: string }[] };
    expect(cases.length).toBe(passed);
    expect(cases[0]).toEqual({
      kernel: 'rms_norm',
      case: expect.any(String),
      error: expect.any(Number),
      tolerance: expect.any(Number),
    });
    expect(new Set(cases.map(({ kernel }) => kernel))).toEqual(new Set(['rms_norm', 'embed_tokens']));
  });

  test('a kernel that there is not', async () => {
    expect(await autoResult('verify.html?auto=1&kernels=nothing')).toEqual({
      error: { code: 'bad_request', message: 'kernels: expected names of kernels, got "nothing"' },
    });
  });

  test('a person verifies, and looks at the cases', async () => {
    const driver = await ChatDriver.open(browser, site.url);
    const { page } = driver;
    await driver.goto('verify.html?kernels=argmax_final,rms_norm');
    await driver.button('Verify').click();
    await page.getByText(/^All \d+ cases passed$/).waitFor(PATIENCE);
    await page.getByText('rms_norm', { exact: true }).click();
    await page.getByRole('row', { name: /3 rows of 64/ }).waitFor();
    await driver.close();
  });
});

test('pages lead to each other, and say so where there is no WebGPU', async () => {
  const driver = await ChatDriver.open(browser, site.url, {
    before: () => Object.defineProperty(navigator, 'gpu', { value: undefined }),
  });
  const { page } = driver;
  await driver.goto();
  for (const name of ['Race', 'Verify', 'Convert', 'Benchmark']) {
    await page.getByRole('navigation', { name: 'Pages' }).getByRole('link', { name }).click();
    await page.getByRole('heading', { name: 'This browser offers no WebGPU' }).waitFor(PATIENCE);
  }
  await page.getByRole('navigation', { name: 'Pages' }).getByRole('link', { name: 'Chat' }).click();
  await driver.box.waitFor(PATIENCE);
  await driver.goto('verify.html?auto=1');
  expect(await resultOf(page)).toMatchObject({ error: { code: 'no_webgpu' } });
  await driver.close();
});

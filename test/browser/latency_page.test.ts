import { readFileSync } from 'node:fs';
import type { Browser, Page } from 'playwright-core';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { launchChromium } from './browsers.ts';
import { ChatDriver, PATIENCE } from './chat_driver.ts';
import { serveSite } from './chat_site.ts';
import type { ChatSite } from './chat_site.ts';
import { modelsDir, modelTest } from '../models.ts';

/** latency.html as it is built, with as little work as shows that it does it. */

/** A token of stories260K: 5 layers, 4 heads of 8 keys and 8 values, f16. */
const GQA_BYTES = 5 * 4 * 16 * 2;

let site: ChatSite;
let browser: Browser;

beforeAll(async () => {
  site = await serveSite(modelsDir === null ? {} : { '/models/': modelsDir });
  browser = await launchChromium();
});

afterAll(async () => {
  await browser?.close();
  await site?.close();
});

async function resultOf(page: Page): Promise<unknown> {
  await page.waitForFunction(() => '__result' in globalThis, undefined, { timeout: 400_000 });
  return page.evaluate(() => Reflect.get(globalThis, '__result'));
}

const AXE = readFileSync(new URL('../../node_modules/axe-core/axe.min.js', import.meta.url), 'utf8');

/** What axe-core has to say against a page, in both themes. */
async function violations(page: Page): Promise<unknown[]> {
  const found: unknown[] = [];
  await page.evaluate(AXE);
  for (const colorScheme of ['light', 'dark'] as const) {
    await page.emulateMedia({ colorScheme, reducedMotion: 'reduce' });
    // Colours that are on their way to those of the theme are not judged.
    await page.evaluate(async () => {
      for (let frame = 0; frame < 3; frame++) await new Promise(requestAnimationFrame);
      await Promise.all(document.getAnimations().map(({ finished }) => finished));
    });
    const results = await page.evaluate(async () => {
      const axe = Reflect.get(globalThis, 'axe') as {
        run(): Promise<{ violations: { id: string; nodes: { html: string; failureSummary: string }[] }[] }>;
      };
      return (await axe.run()).violations;
    });
    found.push(
      ...results.map(({ id, nodes }) => [
        colorScheme,
        id,
        nodes.map(({ html, failureSummary }) => [html, failureSummary]),
      ]),
    );
  }
  return found;
}

describe('latency.html', () => {
  modelTest('?auto=1 sweeps, judges and shows it; no axe violations', async () => {
    const driver = await ChatDriver.open(browser, site.url, { acceptDownloads: true });
    const { page } = driver;
    await driver.goto('latency.html?auto=1&model=/models/stories260K/&settings=reuse-0.5-int8&longest=16');
    const result = await resultOf(page);
    expect(JSON.parse(JSON.stringify(result))).toEqual(result);
    const number = expect.any(Number);
    const gqa = { attention: 'gqa', form: 'gqa', cacheDtype: 'f16', kvBudget: null };
    const reuse = { attention: 'mla', form: 'reuse', cacheDtype: 'int8', kvBudget: 0.5 };
    const measured = {
      context: 16,
      filled: 'real',
      decodeMs: number,
      spread: number,
      runsMs: [number, number, number],
      dispatchesPerToken: number,
      streamingShare: number,
      predictedMs: number,
    };
    expect(result).toMatchObject({
      adapter: { architecture: 'swiftshader', software: true },
      software: true,
      model: 'stories260K',
      browser: expect.stringContaining('Chrome'),
      complete: true,
      hidden: false,
      rows: [
        { ...gqa, ...measured, kvBytes: 16 * GQA_BYTES, gqaMs: null },
        { ...reuse, ...measured, kvBytes: number, gqaMs: number },
      ],
      prefill: [
        { ...gqa, tokens: 16, ms: number },
        { ...reuse, tokens: 16, ms: number },
      ],
      crossovers: [reuse],
      quality: [
        { ...gqa, perplexity: number, kl: number },
        { ...reuse, perplexity: number, kl: number },
      ],
      memory: [{ ...gqa, bytesAt32k: 2 ** 15 * GQA_BYTES }, reuse],
      seconds: { opening: number, converting: number, compiling: number, decoding: number, quality: number },
    });
    const { rows, crossover, crossovers, quality } = result as {
      rows: readonly { kvBytes: number; decodeMs: number; gqaMs: number }[];
      crossover: number | null;
      crossovers: readonly { context: number | null }[];
      quality: readonly { kl: number; perplexity: number }[];
    };
    const faster = (rows[1]?.decodeMs ?? 0) < (rows[1]?.gqaMs ?? 0);
    expect(crossover).toBe(faster ? 16 : null);
    expect(crossovers[0]?.context).toBe(crossover);
    const share = (rows[1]?.kvBytes ?? 0) / (rows[0]?.kvBytes ?? 1);
    expect(share).toBeGreaterThan(0.4);
    expect(share).toBeLessThanOrEqual(0.5);
    expect(quality[0]?.kl).toBeLessThan(1e-3);
    expect(quality[1]?.kl).toBeGreaterThan(quality[0]?.kl ?? 0);

    await page.getByText(/^MLA reuse 50 % int8 is (faster|slower)/).waitFor(PATIENCE);
    await page.getByText(/^It took \d+ s: .*decoding \d+\.\d s/).waitFor(PATIENCE);
    for (const name of [/^ms a token/, /^bytes, by tokens/, /^KL against the original/]) {
      expect(await page.getByRole('img', { name }).isVisible()).toBe(true);
    }
    for (const [name, file] of [
      ['Save CSV', 'webmla-race.csv'],
      ['Save picture', 'webmla-race.png'],
    ] as const) {
      const [download] = await Promise.all([page.waitForEvent('download'), driver.button(name).click()]);
      expect(download.suggestedFilename()).toBe(file);
    }
    expect(await violations(page)).toEqual([]);
    await driver.close();
  });

  test('?auto=1: the embedded model still writes at half of its cache', async () => {
    const driver = await ChatDriver.open(browser, site.url);
    const { page } = driver;
    // All that the page does by itself on a software adapter, but for the rivals.
    await driver.goto('latency.html?auto=1&settings=reuse-0.5-f16&longest=16');
    const result = (await resultOf(page)) as {
      model: string;
      calibrationTokens: number;
      quality: readonly { form: string; perplexity: number; kl: number }[];
      rows: readonly { form: string; predictedMs: number }[];
    };
    expect(result).toMatchObject({ software: true, model: 'tiny-chat', complete: true });
    const [gqa, reuse] = result.quality;
    expect(reuse?.form).toBe('reuse');
    expect(reuse?.kl).toBeLessThan(0.4);
    expect(reuse?.perplexity).toBeLessThan(1.3 * (gqa?.perplexity ?? 0));
    expect(result.rows.map(({ form }) => form)).toEqual(['gqa', 'reuse']);
    for (const { predictedMs } of result.rows) expect(predictedMs).toBeGreaterThan(0);
    await page
      .getByText(/^MLA reuse 50 % f16 is .* Its perplexity is [\d.]+ instead of [\d.]+, its KL 0\.\d+\./)
      .waitFor(PATIENCE);
    await driver.close();
  });

  test.each([
    ['settings=mqa-f16', /^settings: expected settings with commas between them: .*got "mqa-f16"$/],
    ['shape=gpt-5', /^shape: expected one of smollm2-135m, .*got "gpt-5"$/],
    ['longest=none', /^longest: expected a number of tokens, got "none"$/],
  ])('?auto=1&%s says what is wrong', async (query, message) => {
    const driver = await ChatDriver.open(browser, site.url);
    await driver.goto(`latency.html?auto=1&${query}`);
    const error = { code: 'bad_request', message: expect.stringMatching(message) };
    expect(await resultOf(driver.page)).toEqual({ error });
    await driver.close();
  });

  modelTest('two lanes race, are stopped, and change sides', async () => {
    const driver = await ChatDriver.open(browser, site.url);
    const { page } = driver;
    await driver.goto(
      'latency.html?model=/models/stories260K/&left=gqa-f16&right=exact-f16&tokens=4&prompt=Once',
    );
    const lane = (side: string): ReturnType<Page['getByLabel']> =>
      page.getByLabel(`Text of the ${side} lane`);
    await driver.button('Start').click();
    await page.getByText('The same so far: 4 tokens of both.').waitFor(PATIENCE);
    const text = await lane('left').textContent();
    expect(text).not.toBe('');
    expect(await lane('right').textContent()).toBe(text);
    await driver.button('Swap sides').click();
    expect(await page.getByLabel('Left lane: attention').inputValue()).toBe('exact');
    expect(await page.getByLabel('Right lane: attention').inputValue()).toBe('gqa');

    await page.getByRole('spinbutton', { name: 'Tokens' }).fill('200');
    await driver.button('Start').click();
    await page.getByRole('progressbar', { name: 'Race' }).waitFor(PATIENCE);
    await driver.button('Stop').click();
    await page.getByRole('alert').getByText('Stopped').waitFor(PATIENCE);
    expect(await violations(page)).toEqual([]);

    // A shape has nothing to say.
    await page.getByLabel('Model', { exact: true }).selectOption('smollm2-135m');
    expect(await driver.button('Start').isDisabled()).toBe(true);
    await driver.close();
  });
});

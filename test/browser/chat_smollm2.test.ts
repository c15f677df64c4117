import type { Browser } from 'playwright-core';
import { afterAll, beforeAll, expect } from 'vitest';
import { modelsDir, modelTest } from '../models.ts';
import { launchChromium } from './browsers.ts';
import { ChatDriver } from './chat_driver.ts';
import { serveSite } from './chat_site.ts';
import type { ChatSite } from './chat_site.ts';

/** A real model in the page, by the two ways that it comes: as a dropped file and from an address. */

const FILE = 'SmolLM2-135M-Instruct.Q4_1.gguf';
const PATH = `/models/SmolLM2-135M-Instruct/${FILE}`;
const QUESTION = 'What is the capital of France?';
/** The fourth prompt of golden.json, made with transformers, has this answer. */
const ANSWER = 'The capital of France is Paris.';
const GREEDY = { sampling: { temperature: 0, max_tokens: 16 }, 'load-options': { contextLength: 512 } };

let site: ChatSite;
let browser: Browser;

beforeAll(async () => {
  if (modelsDir === null) return;
  site = await serveSite({ '/models/': modelsDir });
  browser = await launchChromium();
});

afterAll(async () => {
  await browser?.close();
  await site?.close();
});

modelTest('a GGUF that is dropped on the page answers a question', async () => {
  const chat = await ChatDriver.open(browser, site.url, { kept: GREEDY });
  await chat.goto();
  await chat.ready();
  await chat.drop([PATH]);
  await chat.page.getByRole('button', { name: `Model: ${FILE}` }).waitFor();
  await chat.ready();
  await chat.send(QUESTION);
  expect((await chat.answered()).trim()).toBe(ANSWER);
  await chat.close();
});

modelTest('from an address it answers the same, and after a reload without another download', async () => {
  const chat = await ChatDriver.open(browser, site.url, { kept: GREEDY });
  await chat.goto(`?model=${new URL(PATH, site.url).href}`);
  await chat.send(QUESTION);
  expect((await chat.answered()).trim()).toBe(ANSWER);
  const requests = site.requests.filter((path) => path === PATH).length;
  expect(requests).toBeGreaterThan(1);
  await chat.page.reload();
  await chat.ready();
  await chat.button('New chat').click();
  await chat.send(QUESTION);
  expect((await chat.answered()).trim()).toBe(ANSWER);
  // Its validity is asked once again, its bytes are not.
  expect(site.requests.filter((path) => path === PATH).length - requests).toBeLessThanOrEqual(1);
  await chat.close();
});

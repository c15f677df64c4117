import type { Browser } from 'playwright-core';
import { afterAll, beforeAll, describe, expect, test } from 'vitest';
import { launchChromium } from './browsers.ts';
import { ChatDriver, PATIENCE, storedConversation } from './chat_driver.ts';
import { serveSite } from './chat_site.ts';
import type { ChatSite } from './chat_site.ts';

/** What a person does on the chat page, with the embedded model. */

const PHONE = { viewport: { width: 390, height: 844 }, isMobile: true, hasTouch: true };

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

describe('a conversation', () => {
  let chat: ChatDriver;

  beforeAll(async () => {
    chat = await ChatDriver.open(browser, site.url, {
      before: () => {
        const seen = new Set<string>();
        Object.assign(globalThis, { stagesSeen: seen });
        new MutationObserver(() => {
          const bar = document.querySelector('[role=progressbar]');
          seen.add((bar?.getAttribute('aria-valuetext') ?? '').replaceAll(/\d.*/g, '').trim());
        }).observe(document, { subtree: true, childList: true, attributes: true });
      },
    });
    await chat.goto();
  });

  afterAll(() => chat.close());

  test('the box can be written in while the model loads, stage by stage', async () => {
    await chat.box.fill('Tell me a short story about a cat and a boat.');
    await chat.page.getByRole('progressbar').waitFor(PATIENCE);
    await chat.ready();
    const stages = await chat.page.evaluate(() => [...Reflect.get(globalThis, 'stagesSeen')]);
    expect(stages).toEqual(
      expect.arrayContaining([
        'Downloading model.safetensors,',
        'Converting and uploading layer',
        'Compiling kernels,',
      ]),
    );
    expect(await chat.box.inputValue()).toContain('a cat and a boat');
    expect(await chat.page.getByRole('radio', { name: /MLA/ }).isChecked()).toBe(true);
  });

  test('an answer streams and can be stopped', async () => {
    await chat.box.press('Enter');
    const answer = chat.answers.last().locator('.markdown');
    await answer.waitFor(PATIENCE);
    const before = (await answer.textContent()) ?? '';
    await expect
      .poll(async () => (await answer.textContent())?.length, PATIENCE)
      .toBeGreaterThan(before.length + 20);
    expect(await answer.textContent()).toContain(before.trim());
    await chat.page
      .getByRole('region', { name: 'Live figures' })
      .getByText(/^\d+\.\d tok\/s/)
      .waitFor(PATIENCE);
    await chat.button('Stop').click();
    await chat.button('Send').waitFor(PATIENCE);
    const stopped = await answer.textContent();
    await chat.page.waitForTimeout(700);
    expect(await answer.textContent()).toBe(stopped);
    await chat.log.getByText('Stopped.').waitFor(PATIENCE);
  });

  test('settings: a sampling value is taken, shown as changed and used', async () => {
    await chat.button('Settings').click();
    const dialog = chat.page.getByRole('dialog', { name: 'Settings' });
    expect(await dialog.getByLabel('Temperature', { exact: true }).getAttribute('placeholder')).toBe('0.6');
    await dialog.getByLabel('Temperature', { exact: true }).fill('0');
    await dialog.getByLabel('Longest answer').fill('12');
    await dialog.getByLabel('Longest answer').fill('1.5');
    await dialog.getByText('whole').waitFor();
    await dialog.getByLabel('Longest answer').fill('12');
    await chat.page.keyboard.press('Escape');
    await dialog.waitFor({ state: 'detached' });
    await chat.button('Regenerate').click();
    await chat.answered();
    await chat.log.getByText('12 tokens').waitFor(PATIENCE);
    expect(await chat.answers.count()).toBe(1);
  });

  test('an edited message takes the place of what followed', async () => {
    await chat.send('And now about a dog.');
    await chat.answered();
    expect(await chat.questions.count()).toBe(2);
    await chat.questions.first().hover();
    await chat.button('Edit').first().click();
    const editor = chat.page.getByRole('textbox', { name: 'Your text' });
    await editor.fill('Hello! How are you doing?');
    await chat.button('Update').click();
    await chat.answered();
    expect(await chat.questions.count()).toBe(1);
    expect(await chat.questions.first().locator('.bubble').textContent()).toBe('Hello! How are you doing?');
    expect(await chat.answers.count()).toBe(1);
  });

  test('an answer is copied as the model wrote it', async () => {
    const text = await chat.answers.last().locator('.markdown').textContent();
    await chat.answers.last().getByRole('button', { name: 'Copy', exact: true }).click();
    expect((await chat.page.evaluate(() => navigator.clipboard.readText())).trim()).toBe(text?.trim());
  });

  test('a new chat begins empty and the old one stays', async () => {
    await chat.button('New chat').click();
    expect(await chat.questions.count()).toBe(0);
    await chat.log.getByRole('heading', { level: 1 }).waitFor();
    await chat.page.getByRole('button', { name: 'Explain gravity in simple words.' }).click();
    await chat.answered();
    const list = chat.page.getByRole('navigation', { name: 'Conversations' }).getByRole('link');
    expect(await list.count()).toBe(2);
    await list.last().click();
    expect(await chat.questions.first().locator('.bubble').textContent()).toBe('Hello! How are you doing?');
  });

  test('a reload finds the history and does not download the model', async () => {
    const text = await chat.answers.last().locator('.markdown').textContent();
    // Changes are written with a little delay.
    await chat.page.waitForTimeout(600);
    const before = site.weightRequests();
    await chat.page.reload();
    expect(await chat.answers.last().locator('.markdown').textContent(PATIENCE)).toBe(text);
    await chat.ready();
    const stages: string[] = await chat.page.evaluate(() => [...Reflect.get(globalThis, 'stagesSeen')]);
    expect(stages).not.toContain('Downloading model.safetensors,');
    // One byte, to see whether the file is still the same.
    expect(site.weightRequests() - before).toBe(1);
  });

  test('switching the attention loads again and keeps the conversation', async () => {
    await chat.page.getByRole('radio', { name: 'GQA' }).check();
    await chat.page.getByRole('progressbar').waitFor(PATIENCE);
    expect(await chat.questions.count()).toBe(1);
    await chat.ready();
    await chat.button('Regenerate').click();
    await chat.answered();
    await chat.answers
      .last()
      .getByText(/tiny-chat · GQA/)
      .waitFor(PATIENCE);
    expect(await chat.page.getByRole('radio', { name: 'GQA' }).isChecked()).toBe(true);
  });

  test('a stored file can be deleted, and is downloaded again when it is needed', async () => {
    await chat.page.getByRole('button', { name: /^Model:/ }).click();
    const dialog = chat.page.getByRole('dialog', { name: 'Models' });
    await dialog.getByText('5 files').click();
    await dialog.getByRole('button', { name: 'Delete model.safetensors, 15.6 MB' }).click();
    await dialog.getByRole('button', { name: 'Delete model.safetensors', exact: true }).click();
    await dialog.getByRole('button', { name: /^Delete model.safetensors/ }).waitFor({ state: 'detached' });
    await dialog.getByRole('button', { name: /^Delete tokenizer.json/ }).waitFor();
    await dialog.getByText('4 files').waitFor();
    await chat.page.keyboard.press('Escape');
    const before = site.weightRequests();
    await chat.page.getByRole('radio', { name: /MLA/ }).check();
    await chat.page.getByRole('progressbar').waitFor(PATIENCE);
    await chat.ready();
    expect(site.weightRequests() - before).toBeGreaterThan(1);
  });

  test('a deleted conversation comes back with Undo', async () => {
    const list = chat.page.getByRole('navigation', { name: 'Conversations' });
    const row = list.getByRole('listitem').filter({ hasText: 'Explain gravity' });
    await row.hover();
    await row.getByRole('button', { name: 'Delete conversation' }).click();
    await row.waitFor({ state: 'detached' });
    await chat.button('Undo').click();
    await row.waitFor();
    await row.hover();
    await row.getByRole('button', { name: 'Rename conversation' }).click();
    await chat.page.getByRole('textbox', { name: 'Title of the conversation' }).fill('On falling');
    await chat.page.keyboard.press('Enter');
    await list.getByRole('link', { name: 'On falling' }).waitFor();
  });
});

describe('a phone', () => {
  test('the log follows the answer until the reader scrolls up', async () => {
    const kept = { sampling: { temperature: 0, max_tokens: 60 } };
    const chat = await ChatDriver.open(browser, site.url, {
      ...PHONE,
      viewport: { width: 390, height: 480 },
      kept,
    });
    const long = 'The sea was calm and the small boat went on. '.repeat(4);
    await chat.seed([storedConversation('long', ['Tell me of the sea.', `${long}\n\n${long}\n\n${long}`])]);
    await chat.goto('#/long');
    await chat.ready();
    const toEnd = (): Promise<number> =>
      chat.log.evaluate((log) => Math.round(log.scrollHeight - log.clientHeight - log.scrollTop));
    const top = (): Promise<number> => chat.log.evaluate((log) => log.scrollTop);
    expect(await toEnd()).toBe(0);
    await chat.send('And of the boat?');
    await chat.answers.nth(1).locator('.markdown').waitFor(PATIENCE);
    expect(await toEnd()).toBeLessThan(2);
    await chat.log.evaluate((log) => log.scrollBy(0, -250));
    await chat.button('Jump to latest').waitFor(PATIENCE);
    const read = await top();
    await chat.page.waitForTimeout(800);
    await chat.button('Stop').waitFor(PATIENCE);
    expect(await top()).toBe(read);
    await chat.button('Jump to latest').click();
    await chat.button('Jump to latest').waitFor({ state: 'detached' });
    await chat.answered();
    expect(await toEnd()).toBeLessThan(2);
    await chat.close();
  });

  test('by keyboard: write, answer, stop, edit, change the conversation', async () => {
    const chat = await ChatDriver.open(browser, site.url, {
      ...PHONE,
      kept: { sampling: { temperature: 0, max_tokens: 300 } },
    });
    await chat.goto();
    const { keyboard } = chat.page;
    const width = (): Promise<number> => chat.page.evaluate(() => document.documentElement.scrollWidth);
    await chat.ready();
    expect(await width()).toBe(390);
    // The first stop is the way past everything else.
    await keyboard.press('Tab');
    await keyboard.press('Enter');
    await keyboard.type('Tell me a long story');
    await keyboard.press('Shift+Enter');
    await keyboard.type('about a cat and a boat.');
    await keyboard.press('Enter');
    expect(await chat.questions.locator('.bubble').textContent()).toBe(
      'Tell me a long story\nabout a cat and a boat.',
    );
    await chat.answers.locator('.markdown').waitFor(PATIENCE);
    await keyboard.press('Escape');
    await chat.log.getByText('Stopped.').waitFor(PATIENCE);
    await keyboard.press('ArrowUp');
    await chat.page.getByRole('textbox', { name: 'Your text' }).waitFor();
    await keyboard.press('Escape');
    await keyboard.press('ArrowUp');
    await keyboard.press('ControlOrMeta+a');
    await keyboard.type('Hello!');
    await keyboard.press('Enter');
    expect(await chat.answered()).not.toBe('');
    expect(await width()).toBe(390);
    // The drawer: focus goes in, stays in, and comes back.
    await chat.button('Conversations').focus();
    await keyboard.press('Enter');
    const drawer = chat.page.getByRole('dialog', { name: 'Conversations' });
    await drawer.waitFor();
    expect(await drawer.evaluate((element) => element.contains(document.activeElement))).toBe(true);
    await keyboard.press('Escape');
    await drawer.waitFor({ state: 'detached' });
    expect(await chat.button('Conversations').evaluate((element) => element === document.activeElement)).toBe(
      true,
    );
    await keyboard.press('ControlOrMeta+Shift+o');
    expect(await chat.questions.count()).toBe(0);
    expect(await chat.box.evaluate((element) => element === document.activeElement)).toBe(true);
    await chat.close();
  });
});

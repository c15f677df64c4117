import type { Browser } from 'playwright-core';
import { afterAll, beforeAll, expect, test } from 'vitest';
import { launchChromium } from './browsers.ts';
import { ChatDriver, PATIENCE, storedConversation } from './chat_driver.ts';
import { serveSite } from './chat_site.ts';
import type { ChatSite } from './chat_site.ts';

/** What the chat page does when something is not as it should be. */

/** The same answer each time, and soon. */
const SHORT = { sampling: { temperature: 0, max_tokens: 12 } };

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

test('what messages contain is never run or loaded', async () => {
  const chat = await ChatDriver.open(browser, site.url);
  const evil = [
    '<img src=x onerror="globalThis.pwned=1"> <script>globalThis.pwned=2</script> <b onclick="globalThis.pwned=3">b</b>',
    '[script](javascript:globalThis.pwned=4) [data](data:text/html,x) [good](https://example.com/) ![pixel](https://example.com/p.png)',
    '<iframe src="https://example.com"></iframe>',
    '<svg onload="globalThis.pwned=5"></svg><style>body{display:none}</style>',
    '| <img src=x onerror="globalThis.pwned=6"> |\n|---|\n| `<img src=x onerror="globalThis.pwned=7">` |',
  ].join('\n\n');
  const deeperThanAnyStack = '>'.repeat(6000);
  await chat.seed([storedConversation('evil', [evil, evil, 'Quote.', deeperThanAnyStack])]);
  await chat.goto('#/evil');
  await chat.answers.getByRole('link', { name: 'good' }).waitFor(PATIENCE);
  expect(await chat.log.locator('.markdown').locator('img, script, iframe, svg, style, b').count()).toBe(0);
  const links = await chat.log
    .locator('.markdown a')
    .evaluateAll((all) =>
      all.map((link) => ['href', 'target', 'rel'].map((name) => link.getAttribute(name))),
    );
  expect(links).toEqual([['https://example.com/', '_blank', expect.stringContaining('noopener')]]);
  expect(await chat.questions.first().locator('.bubble').textContent()).toBe(evil);
  expect(await chat.answers.last().locator('.markdown').textContent()).toBe(deeperThanAnyStack);
  await chat.ready();
  expect(await chat.page.evaluate(() => Reflect.get(globalThis, 'pwned'))).toBeUndefined();
  await chat.close();
});

test('a full context is marked in the log where the model stops seeing', async () => {
  const chat = await ChatDriver.open(browser, site.url, { kept: { 'load-options': { contextLength: 160 } } });
  const long = 'The sea was calm and the small boat went on. '.repeat(12);
  await chat.seed([
    { ...storedConversation('long', [long, 'Yes.', 'And then?', 'It went home.']), ...SHORT },
  ]);
  await chat.goto('#/long');
  await chat.ready();
  await chat.send('What was it about?');
  await chat.answered();
  await chat.log.getByText('Earlier messages no longer fit and are not seen by the model').waitFor(PATIENCE);
  const marks = await chat.log
    .locator('.turn')
    .evaluateAll((turns) => turns.map((turn) => turn.querySelector('.context-mark') !== null));
  expect(marks).toEqual([false, false, true, false, false, false]);
  await chat.close();
});

test('a load can be cancelled and taken up again; a message waits for the model', async () => {
  const chat = await ChatDriver.open(browser, site.url, { kept: SHORT });
  await chat.goto();
  await chat.button('Cancel').click();
  await chat.page.getByRole('alert').getByText('aborted').waitFor(PATIENCE);
  await chat.box.fill('Hello!');
  expect(await chat.button('Send').isDisabled()).toBe(true);
  await chat.button('Load it').click();
  await chat.button('Send').click();
  await chat.log.getByText('Waiting for the model').waitFor(PATIENCE);
  expect(await chat.answered()).not.toBe('');
  await chat.close();
});

test('a model that was not through loading the last time waits for a click', async () => {
  const chat = await ChatDriver.open(browser, site.url, {
    kept: { model: { kind: 'address', address: 'https://example.com/model/' }, 'load-unfinished': true },
  });
  await chat.goto();
  await chat.page.getByRole('alert').getByText('was not finished the last time').waitFor(PATIENCE);
  await chat.button('Use the embedded model').click();
  await chat.ready();
  await chat.close();
});

test('a model that is not there, options that do not fit: what is wrong and a way on', async () => {
  const chat = await ChatDriver.open(browser, site.url, {
    kept: { ...SHORT, 'load-options': { contextLength: 9999 } },
    allowNotFound: true,
  });
  await chat.goto('?model=./models/nowhere/');
  const alert = chat.page.getByRole('alert');
  await alert.getByText('missing_file').waitFor(PATIENCE);
  expect(await alert.textContent()).toContain('config.json');
  await chat.button('Use the embedded model').click();
  await alert.getByText('bad_request').waitFor(PATIENCE);
  await chat.button('Load with a context of 4,096').click();
  await chat.ready();
  expect(chat.page.url()).not.toContain('nowhere');
  await chat.close();
});

test('files that are dropped on the page are loaded', async () => {
  const chat = await ChatDriver.open(browser, site.url, { kept: SHORT });
  await chat.goto();
  await chat.ready();
  const names = ['config.json', 'tokenizer.json', 'tokenizer_config.json', 'model.safetensors'];
  await chat.drop(names.map((name) => `./models/tiny-chat/${name}`));
  await chat.page.getByRole('button', { name: 'Model: 4 files' }).waitFor(PATIENCE);
  await chat.ready();
  await chat.send('Hello!');
  expect(await chat.answered()).not.toBe('');
  await chat.close();
});

test('a lost GPU keeps the conversation; one click loads the model again', async () => {
  const own = await launchChromium();
  try {
    const chat = await ChatDriver.open(own, site.url, { kept: SHORT });
    await chat.goto();
    await chat.send('Hello!');
    await chat.answered();
    const session = await own.newBrowserCDPSession();
    await session.send('Browser.crashGpuProcess');
    await chat.page.getByRole('alert').getByText('device_lost').waitFor(PATIENCE);
    expect(await chat.questions.count()).toBe(1);
    await chat.button('Reload the model').click();
    await chat.ready();
    await chat.button('Regenerate').click();
    expect(await chat.answered()).not.toBe('');
    chat.complaints.length = 0;
    await chat.close();
  } finally {
    await own.close();
  }
});

test('without storage and without workers the page still answers, and says what is missing', async () => {
  const chat = await ChatDriver.open(browser, site.url, {
    before: () => {
      const refuse = (): never => {
        throw new DOMException('storage is switched off', 'SecurityError');
      };
      Object.defineProperty(globalThis, 'Worker', { value: undefined });
      Object.defineProperty(globalThis, 'indexedDB', { get: refuse });
      Object.defineProperty(globalThis, 'localStorage', { get: refuse });
      StorageManager.prototype.getDirectory = async () => refuse();
    },
  });
  await chat.goto();
  await chat.page.getByText('Conversations are not kept on this device').waitFor(PATIENCE);
  await chat.ready();
  await chat.send('Hello!');
  expect(await chat.answered()).not.toBe('');
  await chat.page.getByRole('button', { name: /^Model:/ }).click();
  await chat.page.getByRole('dialog').getByText('The model is not kept on this device').waitFor(PATIENCE);
  await chat.close();
});

test('without an adapter the page says which browsers do', async () => {
  const other = await launchChromium(['--disable-gpu', '--disable-software-rasterizer']);
  try {
    const chat = await ChatDriver.open(other, site.url);
    await chat.seed([storedConversation('old', ['A question', 'An answer'])]);
    await chat.goto();
    await chat.page.getByRole('heading', { name: 'This browser offers no WebGPU' }).waitFor(PATIENCE);
    expect(await chat.box.isDisabled()).toBe(true);
    await chat.page.getByRole('row', { name: /Firefox/ }).waitFor();
    await chat.page.getByRole('link', { name: 'Stored old' }).click();
    await chat.answers.getByText('An answer').waitFor();
    await chat.page.getByRole('alert').getByText('no_webgpu').waitFor();
    await chat.close();
  } finally {
    await other.close();
  }
});

test('?auto=1 answers without a click and leaves the result, or the error', async () => {
  const chat = await ChatDriver.open(browser, site.url, { allowNotFound: true });
  const result = async (address: string): Promise<unknown> => {
    await chat.goto(address);
    await chat.page.waitForFunction(() => Reflect.has(globalThis, '__result'), null, PATIENCE);
    return chat.page.evaluate(() => Reflect.get(globalThis, '__result'));
  };
  expect(await result('?auto=1&attention=gqa')).toMatchObject({
    model: 'tiny-chat',
    attention: 'gqa',
    text: expect.stringMatching(/\w/),
    kvBytesPerToken: 9216,
    gqaKvBytesPerToken: 9216,
    adapter: { software: true },
    timings: { decode_tokens_per_second: expect.any(Number), loadMs: expect.any(Number) },
  });
  expect(await result('?auto=1&model=./models/nowhere/')).toEqual({
    error: { code: 'missing_file', message: expect.any(String) },
  });
  await chat.close();
});

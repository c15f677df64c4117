import type { Browser, BrowserContext, BrowserContextOptions, Locator, Page } from 'playwright-core';
import { expect } from 'vitest';

/** Software GPUs on busy machines: what takes 4 s alone may take a minute. */
export const PATIENCE = { timeout: 60_000 };

export interface OpenOptions extends BrowserContextOptions {
  /** What the browser has kept from earlier visits, by name as in src/demo/kept.ts. */
  readonly kept?: Readonly<Record<string, unknown>>;
  /** Runs in the page before its own scripts. */
  readonly before?: () => void;
  /** A failed request is part of the test: the browser's own line about it is no complaint. */
  readonly allowNotFound?: boolean;
}

/** A chat page in a browser of its own, driven by roles and names as a person or a screen reader finds things. */
export class ChatDriver {
  readonly page: Page;
  readonly context: BrowserContext;
  /** Errors in the console or in scripts, and requests to anywhere but the site. */
  readonly complaints: string[] = [];
  readonly #site: string;

  private constructor(context: BrowserContext, page: Page, site: string, allowNotFound: boolean) {
    this.context = context;
    this.page = page;
    this.#site = site;
    page.on('pageerror', (error) => this.complaints.push(String(error)));
    page.on('console', (message) => {
      if (allowNotFound && message.text().includes('404')) return;
      if (message.type() === 'error' || message.type() === 'warning') this.complaints.push(message.text());
    });
    context.on('request', (request) => {
      const url = request.url();
      if (!url.startsWith(new URL(site).origin) && !/^(blob|data):/.test(url)) this.complaints.push(url);
    });
  }

  /** @param site address of index.html's folder */
  static async open(browser: Browser, site: string, options: OpenOptions = {}): Promise<ChatDriver> {
    const { kept = {}, before, allowNotFound = false, ...contextOptions } = options;
    const context = await browser.newContext(contextOptions);
    context.setDefaultTimeout(PATIENCE.timeout);
    await context.grantPermissions(['clipboard-read', 'clipboard-write']);
    const page = await context.newPage();
    if (before) await page.addInitScript(before);
    // Once only: what the page keeps later must stay.
    await page.addInitScript((values) => {
      for (const [name, value] of Object.entries(values)) {
        const key = `webmla.${name}`;
        if (localStorage.getItem(key) === null) localStorage.setItem(key, JSON.stringify(value));
      }
    }, kept);
    return new ChatDriver(context, page, site, allowNotFound);
  }

  async goto(address = ''): Promise<void> {
    await this.page.goto(this.#site + address);
  }

  async close(): Promise<void> {
    await this.context.close();
    expect(this.complaints).toEqual([]);
  }

  get box(): Locator {
    return this.page.getByRole('textbox', { name: 'Message' });
  }

  get log(): Locator {
    return this.page.getByRole('log');
  }

  get answers(): Locator {
    return this.log.getByRole('article', { name: 'Answer', exact: true });
  }

  get questions(): Locator {
    return this.log.getByRole('article', { name: 'You', exact: true });
  }

  button(name: string): Locator {
    return this.page.getByRole('button', { name, exact: true });
  }

  /** Until the model is there. */
  async ready(): Promise<void> {
    await this.page.getByPlaceholder('Write to the model').waitFor(PATIENCE);
  }

  async send(text: string): Promise<void> {
    await this.box.fill(text);
    await this.button('Send').click();
  }

  /** Drops files on the page that it first fetches itself. @param addresses absolute, or relative to the page */
  async drop(addresses: readonly string[]): Promise<void> {
    await this.page.evaluate(async (files) => {
      const data = new DataTransfer();
      for (const file of files) {
        const answer = await fetch(file);
        data.items.add(new File([await answer.blob()], file.slice(file.lastIndexOf('/') + 1)));
      }
      const tell = (type: string): boolean =>
        document.body.dispatchEvent(
          new DragEvent(type, { dataTransfer: data, bubbles: true, cancelable: true }),
        );
      tell('dragenter');
      setTimeout(() => tell('drop'), 300);
    }, addresses);
    await this.page.getByText('Drop a .gguf, or the folder of a model').waitFor(PATIENCE);
  }

  /** Until the answer at hand has ended. @returns the text of the last one */
  async answered(): Promise<string> {
    await this.button('Stop').waitFor({ state: 'detached', ...PATIENCE });
    return (await this.answers.last().locator('.markdown').textContent(PATIENCE)) ?? '';
  }

  /** Puts conversations into the browser's database, as an earlier visit would have left them. Before the page is opened. */
  async seed(records: readonly object[]): Promise<void> {
    const blank = `${this.#site}blank`;
    await this.page.route(blank, (route) =>
      route.fulfill({ contentType: 'text/html', body: '<link rel="icon" href="data:,">' }),
    );
    await this.page.goto(blank);
    await this.page.evaluate(
      (values) =>
        new Promise<void>((resolve, reject) => {
          const request = indexedDB.open('webmla-chat', 1);
          request.addEventListener('upgradeneeded', () =>
            request.result.createObjectStore('conversations', { keyPath: 'id' }),
          );
          request.addEventListener('error', () => reject(new Error('the database did not open')));
          request.addEventListener('success', () => {
            const transaction = request.result.transaction('conversations', 'readwrite');
            for (const value of values) transaction.objectStore('conversations').put(value);
            transaction.addEventListener('complete', () => {
              request.result.close();
              resolve();
            });
            transaction.addEventListener('abort', () => reject(new Error('the records were refused')));
          });
        }),
      records,
    );
  }
}

/** A conversation as the page stores it; users and answers in turn. */
export function storedConversation(id: string, texts: readonly string[]): object {
  return {
    id,
    title: `Stored ${id}`,
    createdAt: 1,
    updatedAt: 1,
    system: '',
    sampling: {},
    model: { kind: 'embedded' },
    attention: 'mla',
    messages: texts.map((text, i) =>
      i % 2 === 0
        ? { role: 'user', id: `${id}-${i}`, text }
        : {
            role: 'assistant',
            id: `${id}-${i}`,
            text,
            state: 'done',
            dropped: 0,
            model: 'tiny-chat',
            attention: 'mla',
          },
    ),
  };
}

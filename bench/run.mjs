// webmla and onnxruntime-web on the same shapes with random weights, in turns in one browser. See README.md.
import { mkdirSync, writeFileSync } from 'node:fs';
import { dirname } from 'node:path';
import { fileURLToPath } from 'node:url';
import { parseArgs } from 'node:util';
import { openBrowser } from './browser.mjs';
import { serve } from './server.mjs';
import { tableOf } from './table.mjs';

const { values: options } = parseArgs({
  options: {
    site: { type: 'string', default: fileURLToPath(new URL('../dist', import.meta.url)) },
    ort: { type: 'string' },
    models: { type: 'string' },
    shapes: { type: 'string', default: 'smollm2-135m,qwen2-0.5b,llama-3.2-1b' },
    forms: { type: 'string', default: 'gqa' },
    cache: { type: 'string', default: 'f16' },
    'prefill-math': { type: 'string', default: 'exact' },
    contexts: { type: 'string', default: '128,1024,4096,8192,32768' },
    prefill: { type: 'string', default: '512,2048' },
    features: { type: 'string', default: 'ordinary' },
    tokens: { type: 'string', default: '48' },
    rounds: { type: 'string', default: '3' },
    limit: { type: 'string', default: '600' },
    software: { type: 'boolean', default: false },
    out: { type: 'string', default: 'test-results/bench.json' },
  },
});
const list = (text) => text.split(',').filter((part) => part !== '');
const numbers = (text) => list(text).map(Number);
const contexts = numbers(options.contexts);
const prefill = numbers(options.prefill);
const ordinary = options.features === 'ordinary';
if (!ordinary && options.features !== 'all')
  throw new Error(`--features: expected ordinary or all, got ${options.features}`);
if ((options.ort === undefined) !== (options.models === undefined))
  throw new Error('--ort and --models go together');

/** What peers/gen_onnx.py calls our shapes. `tiny` is for trying this out: nothing but its name is alike. */
const ONNX_NAMES = { 'llama-3.2-1b': 'llama3.2-1b' };

const bench = fileURLToPath(new URL('.', import.meta.url));
const server = await serve({ site: options.site, ort: options.ort, models: options.models, bench });
const browser = await openBrowser(options.software);
const limit = Number(options.limit) * 1000;
const runs = [];
const deadline = Date.now() + limit;

function save() {
  const result = {
    date: new Date().toISOString(),
    browser: browser.version(),
    features: options.features,
    rounds: Number(options.rounds),
    runs,
  };
  mkdirSync(dirname(options.out), { recursive: true });
  writeFileSync(options.out, `${JSON.stringify(result, null, 1)}\n`);
  return result;
}

/** A fresh page of the one browser, closed again: what an engine held is gone before the other one runs. */
async function inPage(path, work) {
  const page = await browser.newPage();
  page.on('pageerror', (error) => process.stderr.write(`${path}: ${error.message}\n`));
  page.setDefaultTimeout(Math.max(1000, deadline - Date.now()));
  // Nothing is painted: Chromium ends on a host without fonts, and painting takes the GPU's time.
  await page.route(/\.html/, async (route) => {
    const response = await route.fetch();
    const body = (await response.text()).replace(/<head>|$/, '$&<style>html{display:none!important}</style>');
    await route.fulfill({ response, body });
  });
  try {
    await page.goto(`${server.url}${path}`);
    return await work(page);
  } finally {
    await page.close();
  }
}

async function webmla(shape, form) {
  const query = new URLSearchParams({
    auto: '1',
    features: 'ordinary',
    cacheDtype: options.cache,
    prefillMath: options['prefill-math'],
    contexts: contexts.join(),
    prefill: prefill.join(),
  });
  if (shape === 'tiny') query.set('model', './models/tiny-chat/');
  else query.set('shape', shape);
  if (form === 'mla') query.set('attention', 'mla');
  else if (form !== 'gqa') query.set('form', form);
  const result = await inPage(`site/bench.html?${query}`, async (page) => {
    await page.waitForFunction(() => '__result' in globalThis);
    return page.evaluate(() => Reflect.get(globalThis, '__result'));
  });
  if (result.error) throw new Error(result.error.message ?? String(result.error));
  return {
    engine: 'webmla',
    adapter: result.adapter,
    features: result.features,
    streamingGBs: result.streamingGBs,
    decode: result.rows.map(
      ({
        context,
        decodeTokensPerSecond,
        spread,
        dispatchesPerToken,
        tokenMs,
        attentionMs,
        kvBytesPerToken,
      }) => ({
        context,
        tokensPerSecond: decodeTokensPerSecond,
        spread,
        dispatchesPerToken,
        tokenMs,
        attentionMs,
        kvBytesPerToken,
      }),
    ),
    prefill: result.prefill.map(({ tokens, tokensPerSecond }) => ({ tokens, tokensPerSecond })),
  };
}

async function onnxruntime(shape) {
  const job = {
    model: ONNX_NAMES[shape] ?? shape,
    ordinary,
    contexts,
    prefill,
    tokens: Number(options.tokens),
    prefillRuns: 2,
  };
  return inPage('bench/onnxruntime.html', async (page) => {
    await page.waitForFunction(() => globalThis.measure !== undefined);
    return page.evaluate((what) => globalThis.measure(what), job);
  });
}

async function attempt(round, shape, form, run) {
  if (Date.now() > deadline) return;
  const started = Date.now();
  const outcome = await run().catch((error) => ({ error: String(error.message ?? error).slice(0, 500) }));
  runs.push({ round, shape, form, seconds: (Date.now() - started) / 1000, ...outcome });
  process.stderr.write(`round ${round + 1}: ${shape} ${form}: ${outcome.error ?? 'measured'}\n`);
  save();
}

try {
  for (let round = 0; round < Number(options.rounds); round++) {
    for (const shape of list(options.shapes)) {
      for (const form of list(options.forms)) await attempt(round, shape, form, () => webmla(shape, form));
      if (options.ort !== undefined) await attempt(round, shape, 'onnxruntime-web', () => onnxruntime(shape));
    }
  }
} finally {
  await browser.close();
  server.close();
}
process.stdout.write(tableOf(save()));
process.exitCode = runs.length === 0 || runs.some(({ error }) => error !== undefined) ? 1 : 0;

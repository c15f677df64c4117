// The measured tables of docs/conversion.md, the points of its picture, and the picture:
//
//   node scripts/conversion_tables.mjs [smollm2|tiny_chat RESULTS.jsonl ... [--gaps]]
//
// Takes the rows of what scripts/quality_table.mjs has measured into docs/data/MODEL_rows.jsonl, a later row for an earlier one
// of the same name (--gaps: only where there is none yet; such rows are marked as those of an earlier run), then writes
// everything anew from there. In the document a table stands between <!-- table NAME --> and <!-- end -->.
import { execFileSync } from 'node:child_process';
import { readFileSync, writeFileSync } from 'node:fs';
import { fileURLToPath } from 'node:url';
import { keptRows, takeRows } from './conversion_rows.mjs';

const inRoot = (path) => fileURLToPath(new URL(`../${path}`, import.meta.url));
const DOCUMENT = inRoot('docs/conversion.md');
const FRONTIER = inRoot('docs/data/frontier.json');

const MODELS = {
  smollm2: { means: ['wikitext2', 'shakespeare'], beside: 'tinystories' },
  tiny_chat: { means: ['wikitext2', 'tinystories'] },
};
const TEXTS = { wikitext2: 'WikiText-2', shakespeare: 'Shakespeare', tinystories: 'TinyStories' };
const METHODS = {
  recon: 'webmla recon',
  reuse: 'webmla reuse',
  strict: 'webmla strict',
  exportable: 'webmla strict, exportable',
  transmla: 'TransMLA',
  mha2mla: 'MHA2MLA',
};
const SHARES = [25, 50, 62.5, 75, 87.5];

/** What the conversion was asked to reach: words, row, the most that its rise may be, perhaps above another row's. */
const BARS = [
  ['strict, refit', 'strict -50 refit', 0.23],
  ['strict, refit', 'strict -75 refit', 1.1],
  ['reuse, refit', 'reuse -25 refit', 0.022],
  ['reuse, refit', 'reuse -50 refit', 0.175],
  ['reuse, refit', 'reuse -75 refit', 0.87],
  ['recon, refit', 'recon -50 refit', 0.115],
  ['recon, refit', 'recon -75 refit', 0.6],
  ['strict, exportable, refit', 'exportable -50 refit', 0.27],
  ['strict, exportable, refit', 'exportable -75 refit', 1.238],
  ['strict, 80 steps, refit', 'strict -50 adam80 refit', 0.16],
  ['strict, 80 steps, refit', 'strict -75 adam80 refit', 0.84],
  ['recon, 80 steps, refit', 'recon -50 adam80 refit', 0.075],
  ['recon, 80 steps, refit', 'recon -75 adam80 refit', 0.46],
  ['TransMLA, no refit', 'transmla -50', 0.65],
  ['TransMLA, no refit', 'transmla -75', 1.74],
  ['reuse, refit, int4 cache', 'reuse int4 -75 refit', 0.07],
  ['reuse, refit, int4 cache', 'reuse int4 -83.5 refit', 0.2],
  ['reuse, refit, int8 cache, above f16', 'reuse int8 192 values refit', 0.01, 'reuse -50 refit'],
];

/** What a change is worth: words, the row without it, the row with it. */
const ABLATIONS = [
  ['TransMLA, calibrated a second time without rope, -50 %', 'transmla -50 calibrated once', 'transmla -50'],
  ['the same, -75 %', 'transmla -75 calibrated once', 'transmla -75'],
  ['int4, the refit reads rounded rows, -75.5 %', 'reuse int4 -75 refit unrounded', 'reuse int4 -75 refit'],
  ['the same, -84 %', 'reuse int4 -83.5 refit unrounded', 'reuse int4 -83.5 refit'],
  [
    'the text of the package instead (reuse, refit, -50 %)',
    'reuse -50 refit',
    'reuse -50 refit package-text',
  ],
];

const [model, ...rest] = process.argv.slice(2);
if (model !== undefined) {
  if (!MODELS[model]) throw new Error(`expected ${Object.keys(MODELS).join(' or ')}, got ${model}`);
  takeRows(
    model,
    rest.filter((one) => one !== '--gaps'),
    rest.includes('--gaps'),
  );
}
const smollm2 = keptRows('smollm2');
const tinyChat = keptRows('tiny_chat');
writeTables({
  summary: summary(),
  bars: bars(),
  methods: methods(smollm2, MODELS.smollm2.means, true),
  tinystories: methods(smollm2, ['tinystories'], false),
  refinement: refinement(),
  ablations: ablations(),
  quantised: quantised(smollm2, [...MODELS.smollm2.means, 'tinystories']),
  searched: searched(smollm2),
  'tiny-chat': methods(tinyChat, MODELS.tiny_chat.means, true),
  'tiny-chat-quantised': quantised(tinyChat, MODELS.tiny_chat.means),
  'tiny-chat-searched': searched(tinyChat),
});
writeFrontier();
execFileSync(process.execPath, [inRoot('scripts/plot_frontier.mjs')]);

function writeTables(tables) {
  let text = readFileSync(DOCUMENT, 'utf8');
  for (const [name, table] of Object.entries(tables)) {
    const place = new RegExp(`(<!-- table ${name} -->\n)[^]*?(<!-- end -->)`);
    if (!place.test(text)) throw new Error(`${DOCUMENT}: expected <!-- table ${name} --> and <!-- end -->`);
    text = text.replace(place, (_, begin, end) => `${begin}${table}\n${end}`);
  }
  writeFileSync(DOCUMENT, text);
}

function inMarkdown(head, lines) {
  if (lines.length === 0) return 'Not measured yet.';
  return [head, head.map(() => '---'), ...lines].map((cells) => `| ${cells.join(' | ')} |`).join('\n');
}

/** As the document writes numbers: .101, 1.05, 24.12, 440.8, 5,079. */
function short(value) {
  const written = value.toFixed(Math.abs(value) >= 1 ? 2 : 3);
  const bare = written.replace(/^(-?)0\./, '$1.');
  return Number(written) === 0 ? bare.replace('-', '') : bare;
}

function perplexity(value) {
  if (value >= 1000) return Math.round(value).toLocaleString('en');
  return value.toFixed(value >= 100 ? 1 : 2);
}

function cell(row, value) {
  return row ? `${value(row)}${row.earlier ? '*' : ''}` : '';
}

/** "without refit -> with"; one that is not measured stays a dot. */
function bothCell([plain, refit], value) {
  const of = (row) => (row && value(row) != null ? cell(row, value) : '·');
  return `${of(plain)} → ${of(refit)}`;
}

/** Each method at each share, without refit and with. @param inMean the columns are those of the means */
function methods(rows, texts, inMean) {
  const found = SHARES.flatMap((saved) =>
    Object.keys(METHODS).map((method) => {
      const name = `${method} -${saved}`;
      return { saved, method, pair: [rows.get(name), rows.get(`${name} refit`)] };
    }),
  ).filter(({ pair }) => pair.some((row) => row && texts.every((text) => row.texts[text])));
  const of = (text, key) => (row) =>
    row.texts[text] && (key === 'perplexity' ? perplexity : short)(row.texts[text][key]);
  const [text] = texts;
  const original = (one) => `${TEXTS[one]} (${perplexity(rows.get('gqa f16').texts[one].perplexity)})`;
  const head = ['saved', 'method', ...texts.map(original), 'rise', 'KL'];
  const lines = found.map(({ saved, method, pair }) => [
    `${saved} %`,
    METHODS[method],
    ...texts.map((one) => bothCell(pair, of(one, 'perplexity'))),
    bothCell(pair, inMean ? ({ rise }) => short(rise) : of(text, 'rise')),
    bothCell(pair, inMean ? ({ kl }) => kl && short(kl) : of(text, 'kl')),
  ]);
  return inMarkdown(head, lines);
}

/** Rises alone, method by share. */
function summary() {
  const line = (words, nameAt) => [
    words,
    ...SHARES.map((saved) => cell(smollm2.get(nameAt(saved)), ({ rise }) => short(rise))),
  ];
  const names = Object.entries(METHODS);
  const published = names.filter(([method]) => method === 'transmla' || method === 'mha2mla');
  return inMarkdown(
    ['method', ...SHARES.map((saved) => `-${saved} %`)],
    [
      ...published.map(([method, words]) => line(`${words}, as published`, (saved) => `${method} -${saved}`)),
      ...published.map(([method, words]) => line(`${words}, refit`, (saved) => `${method} -${saved} refit`)),
      ...names
        .filter((one) => !published.includes(one))
        .toReversed()
        .map(([method, words]) => line(`${words}, refit`, (saved) => `${method} -${saved} refit`)),
      ...['strict', 'recon'].map((method) =>
        line(`${METHODS[method]}, 80 steps, refit`, (saved) => `${method} -${saved} adam80 refit`),
      ),
    ],
  );
}

function bars() {
  const lines = BARS.map(([words, name, most, above]) => {
    const row = smollm2.get(name);
    const other = above === undefined ? { rise: 0 } : smollm2.get(above);
    const found = row && other && row.rise - other.rise;
    const said =
      found === undefined ? ['', ''] : [cell(row, () => short(found)), found <= most ? 'yes' : 'no'];
    return [
      `${words}, ${row ? `-${+row.savedPercent.toFixed(1)}` : (name.match(/-[\d.]+/)?.[0] ?? '-72')} %`,
      short(most),
      ...said,
    ];
  });
  return inMarkdown(['', 'asked: at most', 'measured', 'met'], lines);
}

function refinement() {
  const of = (name, key) => cell(smollm2.get(name), (row) => short(row[key]));
  const lines = ['recon', 'strict'].flatMap((method) =>
    [50, 75].map((saved) => {
      const refit = `${method} -${saved} refit`;
      const steps = `${method} -${saved} adam80 refit`;
      return [
        `${METHODS[method]}, -${saved} %`,
        ...[refit, steps].flatMap((name) => [of(name, 'rise'), of(name, 'kl')]),
        cell(smollm2.get(steps), ({ undone }) => undone),
      ];
    }),
  );
  return inMarkdown(['', 'refit: rise', 'KL', '80 steps, refit: rise', 'KL', 'layers undone'], lines);
}

/** Rows of other widths say nothing of a change. */
function ablations() {
  const lines = ABLATIONS.flatMap(([words, ...names]) => {
    const pair = names.map((name) => smollm2.get(name));
    if (!pair[0] || pair[0].values !== pair[1]?.values) return [];
    const values = ['rise', 'kl'].flatMap((key) => pair.map((row) => cell(row, (one) => short(one[key]))));
    return [[words, ...values]];
  });
  return inMarkdown(['', 'rise without', 'with', 'KL without', 'with'], lines);
}

/** Small caches of 8 and 4 bits, by bytes, and GQA's own. */
function quantised(rows, texts) {
  const found = [...rows.values()].filter(({ name }) => / int[48]\b/.test(name));
  const lines = found
    .toSorted((a, b) => b.bytesPerToken - a.bytesPerToken || a.rise - b.rise)
    .map((row) => {
      const [form, cacheDtype] = row.name.split(' ');
      const refit = row.name.endsWith('unrounded') ? ', refit as if unrounded' : ', refit';
      return [
        `${form === 'gqa' ? 'GQA' : `${METHODS[form]}, ${row.values} values${refit}`}, ${cacheDtype} cache`,
        Math.round(row.bytesPerToken).toLocaleString('en'),
        `${row.savedPercent.toFixed(1)} %`,
        ...texts.map((text) => (row.texts[text] ? perplexity(row.texts[text].perplexity) : '')),
        cell(row, ({ rise }) => short(rise)),
        cell(row, ({ kl }) => short(kl)),
      ];
    });
  const head = ['cache', 'bytes a token', 'saved', ...texts.map((text) => TEXTS[text]), 'rise', 'KL'];
  return inMarkdown(head, lines);
}

function searched(rows) {
  const found = [...rows.values()].filter(({ chosen }) => chosen);
  const lines = found
    .toSorted((a, b) => b.bytesPerToken - a.bytesPerToken)
    .map(({ name, chosen, bytesPerToken, rise, kl }) => [
      name.replace('searched ', ''),
      `${chosen.form}, ${chosen.cacheDtype}, ${chosen.row_dim} values`,
      Math.round(bytesPerToken).toLocaleString('en'),
      ...[chosen.estimatedRise, chosen.heldBackRise, rise, kl].map((one) => (one == null ? '' : short(one))),
    ]);
  const head = [
    '`kvBudget`',
    'picked',
    'bytes a token',
    'predicted',
    'rise on the rows held back',
    'rise',
    'KL',
  ];
  return inMarkdown(head, lines);
}

/** What a point of the picture is; ablations are none. */
function pointOf({ name, bytesPerToken, rise, chosen }) {
  const [form, second] = name.split(' ');
  const words = { bytes: Math.round(bytesPerToken), rise: Number(rise.toFixed(4)) };
  if (chosen) {
    const { form: formOf, cacheDtype } = chosen;
    return { form: formOf, cacheDtype, refit: formOf !== 'gqa', picked: true, ...words };
  }
  if (/package-text|unrounded|once/.test(name)) return null;
  const cacheDtype = /^(f16|int[48])$/.test(second) ? second : 'f16';
  if (form === 'gqa' && cacheDtype === 'f16') return null;
  return {
    form,
    cacheDtype,
    refit: name.includes('refit'),
    ...(name.includes('adam') && { steps: 80 }),
    ...words,
  };
}

function writeFrontier() {
  const points = [...smollm2.values()]
    .map(pointOf)
    .filter((point) => point !== null)
    .toSorted((a, b) => b.bytes - a.bytes || a.rise - b.rise);
  const { title, note } = JSON.parse(readFileSync(FRONTIER, 'utf8'));
  const lines = points.map((point) => `    ${JSON.stringify(point)}`).join(',\n');
  writeFileSync(
    FRONTIER,
    `{\n  "title": ${JSON.stringify(title)},\n  "note": ${JSON.stringify(note)},\n  "points": [\n${lines}\n  ]\n}\n`,
  );
}

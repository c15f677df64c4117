// Draws docs/images/frontier.svg from docs/data/frontier.json: loss against bytes of cache, both logarithmic, readable in light
// and dark. node scripts/plot_frontier.mjs [points.json] [out.svg]
import { readFileSync, writeFileSync } from 'node:fs';
import { fileURLToPath } from 'node:url';

const inDocs = (path) => fileURLToPath(new URL(`../docs/${path}`, import.meta.url));
const [source = inDocs('data/frontier.json'), target = inDocs('images/frontier.svg')] = process.argv.slice(2);

/** Colours in light and in dark, chosen to be told apart by the colour-blind too (Okabe and Ito, 2008). */
const FORMS = {
  gqa: { name: 'GQA', light: '#52606d', dark: '#b8c2cc' },
  recon: { name: 'recon', light: '#b45309', dark: '#f0a35e' },
  reuse: { name: 'reuse', light: '#00755a', dark: '#3fcf9f' },
  strict: { name: 'strict', light: '#0062a3', dark: '#62b4f0' },
  exportable: { name: 'strict, exportable', light: '#7a4fb5', dark: '#c09bf0' },
  transmla: { name: 'TransMLA', light: '#a3195b', dark: '#f07fb0' },
  mha2mla: { name: 'MHA2MLA', light: '#8a6d00', dark: '#d9bd4a' },
};
const MARKS = {
  f32: (x, y) => `<path d="M${x - 6},${y + 5}H${x + 6}L${x},${y - 6}z"/>`,
  steps: (x, y) => `<path class="p" d="M${x - 7},${y}H${x + 7}M${x},${y - 7}V${y + 7}"/>`,
  picked: (x, y) => `<circle class="r" cx="${x}" cy="${y}" r="10"/>`,
  f16: (x, y) => `<circle cx="${x}" cy="${y}" r="5"/>`,
  int8: (x, y) => `<rect x="${x - 5}" y="${y - 5}" width="10" height="10"/>`,
  int4: (x, y) => `<path d="M${x},${y - 7}L${x + 7},${y}L${x},${y + 7}L${x - 7},${y}z"/>`,
};
const PLOT = { left: 76, right: 690, top: 64, bottom: 420 };
const SIZE = { width: 900, height: 486 };
/** Losses below this are drawn on the lower edge: they have no place on a logarithmic axis. */
const FLOOR = 0.005;

const { title, note, points } = JSON.parse(readFileSync(source, 'utf8'));
for (const point of points) check(point);

const most = Math.max(...points.map(({ rise }) => rise));
const xs = axis(
  points.map(({ bytes }) => bytes),
  [PLOT.left, PLOT.right],
  1.15,
);
const ys = axis([FLOOR, most], [PLOT.bottom, PLOT.top], 1.25);
writeFileSync(target, draw());

function check({ form, cacheDtype, bytes, rise }) {
  if (FORMS[form] && MARKS[cacheDtype] && bytes > 0 && Number.isFinite(rise)) return;
  throw new Error(
    `${source}: expected form, cacheDtype, bytes and rise, got ${JSON.stringify([form, cacheDtype, bytes, rise])}`,
  );
}

/** A logarithmic axis with a margin at both ends. */
function axis(values, [from, to], margin) {
  const low = Math.log(Math.min(...values) / margin);
  const high = Math.log(Math.max(...values) * margin);
  const at = (value) => round(from + ((Math.log(value) - low) / (high - low)) * (to - from));
  return { at, holds: (value) => Math.log(value) >= low && Math.log(value) <= high };
}

function draw() {
  const place = ({ bytes, rise }) => [xs.at(bytes), ys.at(Math.max(rise, FLOOR))];
  const frontier = frontierOf(points);
  const ticks = [1, 2, 5]
    .flatMap((digit) => [0.001, 0.01, 0.1, 1, 10].map((power) => Number((digit * power).toPrecision(1))))
    .filter(ys.holds);
  const sizes = [2000, 3000, 4000, 6000, 8000, 12_000, 16_000, 24_000].filter(xs.holds);
  const parts = [
    `<rect class="bg" width="${SIZE.width}" height="${SIZE.height}"/>`,
    text('h', PLOT.left, 26, title),
    text('s', PLOT.left, 45, note),
    ...ticks.map((tick) => {
      const y = ys.at(tick);
      return `<path class="g" d="M${PLOT.left},${y}H${PLOT.right}"/>${text('s', PLOT.left - 8, y + 4, String(tick), 'end')}`;
    }),
    ...sizes.map((size) => {
      const x = xs.at(size);
      return `<path class="g" d="M${x},${PLOT.top}V${PLOT.bottom}"/>${text('s', x, PLOT.bottom + 18, size.toLocaleString('en'), 'middle')}`;
    }),
    text(
      't',
      (PLOT.left + PLOT.right) / 2,
      PLOT.bottom + 42,
      'bytes of cache a token, all layers (logarithmic)',
      'middle',
    ),
    `<g transform="translate(20 ${(PLOT.top + PLOT.bottom) / 2}) rotate(-90)">${text('t', 0, 0, 'rise of ln perplexity (logarithmic)', 'middle')}</g>`,
    `<path class="f" d="${frontier.map((point, i) => `${i === 0 ? 'M' : 'L'}${place(point).join(',')}`).join('')}"/>`,
    ...points.map((point) => {
      const [x, y] = place(point);
      return `<g class="${point.form}${point.refit || point.form === 'gqa' ? '' : ' o'}"><title>${described(point)}</title>${markOf(point)(x, y)}${point.picked ? MARKS.picked(x, y) : ''}</g>`;
    }),
    ...labels(frontier, place),
    ...legend(),
  ];
  return `<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 ${SIZE.width} ${SIZE.height}" font-family="system-ui, sans-serif" role="img" aria-label="${title}. ${frontier.map(described).join('; ')}">\n<style>${style()}</style>\n${parts.join('\n')}\n</svg>\n`;
}

/** Each beside its mark, on the side where it covers the fewest marks and labels, and least of the line. */
function labels(frontier, place) {
  const boxes = points.map((point) => {
    const [x, y] = place(point);
    return { left: x - 6, right: x + 6, top: y - 6, bottom: y + 6 };
  });
  const line = alongLine(frontier.map(place));
  return frontier.map((point) => {
    const [x, y] = place(point);
    const words = `${FORMS[point.form].name} ${point.cacheDtype} ${riseText(point)}`;
    const width = 5.6 * words.length;
    const places = [-26, -12, 4, 18, 32].flatMap((down) =>
      [x + 10, x - 10 - width].map((left) => {
        const box = { left, right: left + width, top: y + down - 10, bottom: y + down + 3 };
        const covered =
          boxes.filter((other) => overlap(box, other)).length +
          line.filter((other) => overlap(box, other)).length / 20;
        const outside = box.bottom > PLOT.bottom || box.left < PLOT.left || box.right > PLOT.right ? 100 : 0;
        return { box, down, cost: covered + outside + Math.abs(down - 4) / 100 + (left < x ? 0.3 : 0) };
      }),
    );
    const best = places.reduce((a, one) => (one.cost < a.cost ? one : a));
    boxes.push(best.box);
    return text('s', best.box.left, y + best.down, words);
  });
}

/** Places on a line, each a twentieth of the way to the next corner. */
function alongLine(corners) {
  return corners.slice(1).flatMap(([toX, toY], i) => {
    const [fromX, fromY] = corners[i];
    return Array.from({ length: 20 }, (_, step) => {
      const [x, y] = [fromX + ((toX - fromX) * step) / 20, fromY + ((toY - fromY) * step) / 20];
      return { left: x, right: x, top: y, bottom: y };
    });
  });
}

function overlap(a, b) {
  return a.left < b.right && b.left < a.right && a.top < b.bottom && b.top < a.bottom;
}

/** What nothing beats at no more bytes, by bytes; of equals the first. */
function frontierOf(all) {
  return all
    .filter((one, i) => !all.some((other, j) => j !== i && beats(other, one, j < i)))
    .toSorted((a, b) => a.bytes - b.bytes);
}

function beats(other, one, earlier) {
  const noWorse = other.bytes <= one.bytes && other.rise <= one.rise;
  return noWorse && (earlier || other.bytes < one.bytes || other.rise < one.rise);
}

function legend() {
  const used = (key) => new Set(points.map((point) => point[key]));
  const forms = Object.keys(FORMS).filter((form) => used('form').has(form));
  const dtypes = ['f32', 'f16', 'int8', 'int4'].filter((dtype) => used('cacheDtype').has(dtype));
  const x = PLOT.right + 30;
  const entry = (row, group, mark, words) => {
    const y = PLOT.top + 14 + 22 * row;
    return `<g class="${group}">${mark(x, y)}</g>${text('s', x + 16, y + 4, words)}`;
  };
  const shown = [
    ...forms.map((form, i) => entry(i, form, MARKS.f16, FORMS[form].name)),
    ...dtypes.map((dtype, i) => entry(forms.length + 0.6 + i, 'k', MARKS[dtype], `${dtype} cache`)),
  ];
  const after = forms.length + dtypes.length + 1.2;
  return [
    ...shown,
    entry(after, 'k', MARKS.f16, 'o_proj refitted'),
    entry(after + 1, 'k o', MARKS.f16, 'not refitted'),
    ...(used('steps').has(80) ? [entry(after + 2, 'k', MARKS.steps, '80 steps, refitted')] : []),
    ...(used('picked').has(true) ? [entry(after + 3, 'k', MARKS.picked, 'what kvBudget picks')] : []),
    `<path class="f" d="M${x - 8},${PLOT.top + 14 + 22 * (after + 4)}h16"/>${text('s', x + 16, PLOT.top + 18 + 22 * (after + 4), 'nothing measured is better')}`,
  ];
}

function style() {
  const colours = (theme) =>
    Object.entries(FORMS)
      .map(([form, { [theme]: colour }]) => `.${form}{fill:${colour};stroke:${colour}}`)
      .join('');
  const light = `.bg{fill:#fff}.h{fill:#1f2933;font-size:15px;font-weight:600}.t{fill:#1f2933;font-size:12px}.s{fill:#52606d;font-size:11px}.g{stroke:#e1e6eb}.f{stroke:#7b8794;stroke-width:1.4;stroke-dasharray:5 4;fill:none}.k{fill:#7b8794;stroke:#7b8794}.p{stroke-width:2.4}.r{fill:none;stroke-width:1.4}${colours('light')}.o{fill:#fff;stroke-width:1.8}`;
  const dark = `.bg{fill:#14181d}.h,.t{fill:#e4e7eb}.s{fill:#9aa5b1}.g{stroke:#2a323b}.f{stroke:#9aa5b1}.k{fill:#9aa5b1;stroke:#9aa5b1}${colours('dark')}.o{fill:#14181d}`;
  return `${light}@media(prefers-color-scheme:dark){${dark}}`;
}

function markOf({ cacheDtype, steps }) {
  return MARKS[steps ? 'steps' : cacheDtype];
}

function described(point) {
  const refit = `${point.steps ? `, ${point.steps} steps` : ''}${point.refit ? ', refitted' : ''}`;
  return `${FORMS[point.form].name} ${point.cacheDtype}${refit}: ${point.bytes.toLocaleString('en')} bytes, ${riseText(point)}`;
}

function riseText({ rise }) {
  return Math.abs(rise) < 0.0005 ? '0.000' : `${rise > 0 ? '+' : ''}${rise.toFixed(3)}`;
}

function text(kind, x, y, words, anchor = 'start') {
  const escaped = words.replaceAll('&', '&amp;').replaceAll('<', '&lt;');
  return `<text class="${kind}" x="${round(x)}" y="${round(y)}" text-anchor="${anchor}">${escaped}</text>`;
}

function round(value) {
  return Math.round(value * 100) / 100;
}

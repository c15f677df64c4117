import { adapterName } from '../adapter_name.ts';
import { verdictOf } from './latency_report.ts';
import type { LatencyReport } from './latency_report.ts';

/** The plots of the page with what they hold for, as one PNG in the colours of the theme. */

const NS = 'http://www.w3.org/2000/svg';
const SCALE = 2;
const PAD = 24;
const LINE = 18;
/** Room of a line's sample before its name. */
const SWATCH = 44;
/** Of a wide character. */
const CHARACTER = 7.4;
/** What a style sheet says of an SVG element, and its copy says by itself: as attributes, since the page allows no inline styles. */
const STYLES = [
  'fill',
  'stroke',
  'stroke-width',
  'stroke-dasharray',
  'stroke-linejoin',
  'opacity',
  'font-family',
  'font-size',
  'font-weight',
] as const;

/** @throws Error where the browser draws no SVG on a canvas */
export async function pictureOf(report: LatencyReport): Promise<Blob> {
  const plots = [...document.querySelectorAll<SVGSVGElement>('svg[data-plot]')];
  const entries = [...document.querySelectorAll<HTMLLIElement>('.legend > li')];
  const body = getComputedStyle(document.documentElement);
  const width = Math.max(...plots.map(({ clientWidth }) => clientWidth)) + 2 * PAD;
  const sheet = document.createElementNS(NS, 'svg');
  let y = PAD;
  const write = (text: string, bold = false, x = PAD): void => {
    y += LINE;
    const line = document.createElementNS(NS, 'text');
    line.setAttribute('x', String(x));
    line.setAttribute('y', String(y));
    for (const [name, value] of Object.entries({
      fill: body.color,
      'font-family': body.fontFamily,
      'font-size': '13px',
      'font-weight': bold ? '600' : '400',
    })) {
      line.setAttribute(name, value);
    }
    line.textContent = text;
    sheet.append(line);
  };
  const characters = Math.floor((width - 2 * PAD) / CHARACTER);
  for (const line of wrapped(`GQA against MLA: ${report.model}`, characters)) write(line, true);
  for (const line of wrapped(verdictOf(report) ?? '', characters)) write(line);
  y += LINE / 2;
  for (const plot of plots) {
    const copy = withStyles(plot);
    copy.setAttribute('x', String(PAD));
    copy.setAttribute('y', String(y));
    sheet.append(copy);
    y += plot.clientHeight + LINE / 2;
  }
  for (const entry of entries) {
    write(entry.textContent.trim(), false, PAD + SWATCH);
    const swatch = entry.querySelector('svg');
    if (!swatch) continue;
    const copy = withStyles(swatch);
    copy.setAttribute('x', String(PAD));
    copy.setAttribute('y', String(y - 10));
    sheet.append(copy);
  }
  y += LINE / 2;
  const { adapter, software, date, features, browser, link } = report;
  const about = `${adapterName(adapter)}${software ? ' (software: times say nothing about a GPU)' : ''}, ${date.slice(0, 10)}, features: ${features.join(' ') || 'none'}`;
  for (const text of [about, browser, link]) {
    for (const line of wrapped(text, characters)) write(line);
  }
  const height = y + PAD;
  sheet.setAttribute('xmlns', NS);
  sheet.setAttribute('width', String(width * SCALE));
  sheet.setAttribute('height', String(height * SCALE));
  sheet.setAttribute('viewBox', `0 0 ${width} ${height}`);
  return painted(sheet, width * SCALE, height * SCALE, body.backgroundColor);
}

/** A copy that looks the same without the style sheets. */
function withStyles(original: SVGSVGElement): SVGSVGElement {
  const copy = document.importNode(original, true);
  const [from, to] = [original, copy].map((svg) => [...svg.querySelectorAll('*')]);
  to?.forEach((element, i) => {
    const source = from?.[i];
    if (!source) return;
    const computed = getComputedStyle(source);
    for (const name of STYLES) element.setAttribute(name, computed.getPropertyValue(name));
  });
  return copy;
}

/** Text in lines of so many characters at most; a word that is longer is cut. */
export function wrapped(text: string, characters: number): readonly string[] {
  const lines: string[] = [];
  let line = '';
  for (const word of text.split(' ')) {
    const pieces = word.match(new RegExp(`.{1,${characters}}`, 'gu')) ?? [];
    for (const piece of pieces) {
      if (line !== '' && line.length + 1 + piece.length > characters) {
        lines.push(line);
        line = '';
      }
      line = line === '' ? piece : `${line} ${piece}`;
    }
  }
  return line === '' ? lines : [...lines, line];
}

async function painted(svg: SVGSVGElement, width: number, height: number, paper: string): Promise<Blob> {
  const image = new Image();
  image.src = `data:image/svg+xml,${encodeURIComponent(new XMLSerializer().serializeToString(svg))}`;
  await image.decode();
  const canvas = document.createElement('canvas');
  [canvas.width, canvas.height] = [width, height];
  const context = canvas.getContext('2d');
  if (!context) throw new Error('The browser offers no canvas to draw on.');
  context.fillStyle = paper;
  context.fillRect(0, 0, width, height);
  context.drawImage(image, 0, 0);
  return new Promise((resolve, reject) => {
    canvas.toBlob(
      (blob) => (blob ? resolve(blob) : reject(new Error('The browser gave no picture.'))),
      'image/png',
    );
  });
}

// Makes src/runtime/calibration_text.txt, the text that conversions are calibrated on unless another is given, from rows of token ids:
//   node scripts/make_calibration_text.mjs smollm2_calibration_real.npy FOLDER_OF_SMOLLM2_135M_INSTRUCT
// Sources and licences: src/runtime/calibration_text.md. Rows of Wikipedia are left out: their licence asks for the names of the
// articles, which rows of tokens do not have.
import { readFileSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { Tokenizer } from '@huggingface/tokenizers';

const [rowsFile, model] = process.argv.slice(2);
if (!rowsFile || !model) throw new Error('expected a .npy of token rows and the folder of its tokenizer');

/** Rows by source, in turn in the text, so that a part of it is mixed too. */
const TEXTBOOKS = [
  10, 17, 19, 48, 72, 76, 97, 99, 112, 118, 142, 152, 160, 163, 165, 182, 214, 217, 231, 249,
];
const STORIES = [4, 6, 32, 57, 68, 71, 83, 86, 92, 106];
const SUMS = [8, 9, 11, 12, 15, 18, 27, 36, 41, 42, 55, 56];

const json = (name) => JSON.parse(readFileSync(join(model, name), 'utf8'));
const tokenizer = new Tokenizer(json('tokenizer.json'), json('tokenizer_config.json'));
/** NumPy's format, version 1: rows of 1,024 u2 behind the header. */
const ROW_TOKENS = 1024;
const file = readFileSync(rowsFile);
if (!file.subarray(0, 128).includes("'descr': '<u2'")) throw new Error(`${rowsFile}: expected u2 in a .npy`);
const ids = new Uint16Array(new Uint8Array(file.subarray(10 + file.readUInt16LE(8))).buffer);

/** Of a row without its first token, which stands for no text. */
function decode(row) {
  const tokens = ids.subarray(row * ROW_TOKENS + 1, (row + 1) * ROW_TOKENS);
  return tokenizer.decode([...tokens], { skip_special_tokens: false });
}

/** Whole sentences of a row: it begins and ends anywhere. */
function sentences(row) {
  const text = decode(row)
    .replaceAll('\u2060', '')
    .replaceAll('&amp;', '&')
    // Figures and the links to them.
    .replaceAll(/ ?\(?\[\\\[link\\\]\]\(#[^)]*\)\)?/g, '')
    .replaceAll(/^"\)$/gm, '')
    .replaceAll(/[ \t]+\n/g, '\n')
    .replaceAll(/\n{3,}/g, '\n\n');
  const from = text.search(/(?<=[.!?][”"’')]*\s)/);
  const to = text.search(/[.!?][”"’')]*\s[^.!?]*$/);
  return text.slice(from, to + 2).trim();
}

/** Question and answer in plain words: every model has marks of its own for a chat. The last one of a row is cut off. */
function sums(row) {
  const turns = [...decode(row).matchAll(/<\|im_start\|>(user|assistant)\n([^]*?)<\|im_end\|>/g)];
  const texts = turns.map(([, , text]) => text.trim());
  return Array.from(
    { length: Math.floor(texts.length / 2) },
    (_, i) => `${texts[2 * i]}\n${texts[2 * i + 1]}`,
  ).join('\n\n');
}

const parts = [];
for (let i = 0; i < TEXTBOOKS.length; i++) {
  parts.push(sentences(TEXTBOOKS[i]));
  if (i % 2 === 0) parts.push(sentences(STORIES[i / 2]));
  if (i < SUMS.length) parts.push(sums(SUMS[i]));
}
const text = `${parts.join('\n\n')}\n`;
if (text.includes('<|')) throw new Error('expected plain text, got a control token');
const out = fileURLToPath(new URL('../src/runtime/calibration_text.txt', import.meta.url));
writeFileSync(out, text);
const tokens = tokenizer.encode(text, { add_special_tokens: false }).ids.length;
console.log(`${out}: ${Buffer.byteLength(text)} bytes, ${tokens} tokens`);

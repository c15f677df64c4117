// Shaders as they travel in the package: without comments and spaces that nobody needs, and with short names for what they
// declare themselves. Lines are kept, so that a compiler's message still names the line of the source file.
import { readdirSync, readFileSync } from 'node:fs';
import { fileURLToPath } from 'node:url';

const root = fileURLToPath(new URL('..', import.meta.url));
const WORD = /(?<![@\w])[A-Za-z_]\w*\b/g;

/** Behind an operator: what is before it has a type already, which the number takes on. */
const UNSIGNED = /(?<=[\w)\]] ?(?:[-+*/%&|]=?|[<>]=?|[=!]=|<<|>>) ?)(\d+)u\b/g;

/** Operators that could join to others keep their spaces: < and > to a template, - to a decrement. */
const squeezed = (line) =>
  line
    .replace(/\s*\/\/.*$/, '')
    .trim()
    .replaceAll(/ *([,;:(){}[\]+*/&|]) */g, '$1')
    .replaceAll(/(?<![<>]) ?([=!]?=) /g, '$1')
    .replaceAll(/ - (?!-)/g, '-')
    .replaceAll(/\b(vec[234]f)\(0\.0\)/g, '$1()')
    .replaceAll(/(?<=[(,[+*/=-])(\d+)\.0(?=[),*+;/\]-])/g, '$1.')
    .replaceAll(UNSIGNED, '$1')
    .replace('<storage,read>', '<storage>');

const squeeze = (text) => text.split('\n').map(squeezed).join('\n');

function filesIn(folder, extension) {
  return readdirSync(`${root}${folder}`, { recursive: true, encoding: 'utf8' })
    .filter((name) => name.endsWith(extension))
    .toSorted()
    .map((name) => readFileSync(`${root}${folder}/${name}`, 'utf8'));
}

const allOf = (text, pattern) => Array.from(text.matchAll(pattern), ([, name]) => name);

/**
 * One map for all files, since they are joined at run time: names of functions, their parameters, variables, constants and
 * members of structs. Not components of vectors, nor constants that src/kernels puts before a module.
 */
export function shortNames() {
  const text = filesIn('shaders', '.wgsl').map(squeeze).join('\n');
  const members = allOf(text, /\bstruct\s+\w+\s*\{([^}]*)\}/g).flatMap((fields) => allOf(fields, /(\w+):/g));
  const declared = [
    ...members,
    ...allOf(text, /\b(?:fn|let|const|alias|struct)\s+(\w+)/g),
    ...allOf(text, /\bvar(?:<[^>]*>)?\s+(\w+)/g),
    ...allOf(text, /\bfn\s+\w+\(([^{]*)\)/g).flatMap((parameters) => allOf(parameters, /(\w+):/g)),
  ];
  const kept = new Set([
    'main',
    ...allOf(text, /\.(\w+)/g).filter((name) => !members.includes(name)),
    ...filesIn('src/kernels', '.ts').flatMap((code) => allOf(code, /\b(\w+):\s*(?:u32|f32|bool)\(/g)),
  ]);
  const taken = new Set(text.match(/\w+/g));
  const uses = new Map();
  for (const [word] of text.matchAll(WORD)) uses.set(word, (uses.get(word) ?? 0) + 1);
  const names = [...new Set(declared)].filter((name) => !kept.has(name) && name.length > 2);
  const frequent = names.toSorted((a, b) => (uses.get(b) ?? 0) - (uses.get(a) ?? 0));
  const short = candidates(taken);
  return new Map(frequent.map((name) => [name, short.next().value]));
}

/** A, B, ..., then aA, aB, ...: no word of the language looks like that. */
function* candidates(taken) {
  const letters = Array.from({ length: 26 }, (_, i) => String.fromCodePoint(65 + i));
  const all = ['', ...letters.map((letter) => letter.toLowerCase())].flatMap((first) =>
    letters.map((letter) => first + letter),
  );
  for (const name of all) if (!taken.has(name)) yield name;
  throw new RangeError('short names: there are no more');
}

/** @param names from shortNames() */
export function shorten(text, names) {
  return squeeze(text).replaceAll(WORD, (word) => names.get(word) ?? word);
}

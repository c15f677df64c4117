import { SplitPreTokenizer } from '@huggingface/tokenizers';
import { badField, isObject, unsupportedField } from './json_fields.ts';

/**
 * Finding and splitting as Hugging Face's Rust code does it: spans that cover the text, each a match or not, then one of
 * five behaviours. Source: tokenizers/src/tokenizer/{pattern,normalizer}.rs. @huggingface/tokenizers knows only two of them,
 * so it lends us its translation of Oniguruma expressions and nothing else here.
 */

export interface Span {
  readonly start: number;
  readonly end: number;
  readonly isMatch: boolean;
}

/** What happens to the matches of a pattern. */
export type SplitBehavior = 'Removed' | 'Isolated' | 'MergedWithPrevious' | 'MergedWithNext' | 'Contiguous';

const BEHAVIORS: readonly string[] = [
  'Removed',
  'Isolated',
  'MergedWithPrevious',
  'MergedWithNext',
  'Contiguous',
];

export function isSplitBehavior(value: unknown): value is SplitBehavior {
  return typeof value === 'string' && BEHAVIORS.includes(value);
}

/**
 * `{String}` or `{Regex}` of tokenizer.json as a JavaScript expression with flags g and u.
 * @throws bad_file, or unsupported for an expression that JavaScript cannot express
 */
export function readPattern(value: unknown, thing: string): RegExp {
  if (isObject(value) && typeof value['String'] === 'string') {
    return new RegExp(value['String'].replaceAll(/[.*+?^${}()|[\]\\/]/g, String.raw`\$&`), 'gu');
  }
  if (isObject(value) && typeof value['Regex'] === 'string') return translateRegex(value['Regex'], thing);
  throw badField(thing, '{String} or {Regex}', value);
}

/** An Oniguruma expression as a JavaScript one: \s, \w, \d as Unicode means them, (?i:...), possessive quantifiers. */
export function translateRegex(source: string, thing: string): RegExp {
  try {
    const { pattern } = new SplitPreTokenizer({
      type: 'Split',
      pattern: { Regex: source },
      behavior: 'Isolated',
      invert: true,
    });
    if (pattern !== null) return pattern;
  } catch (error) {
    if (!(error instanceof SyntaxError)) throw error;
  }
  throw unsupportedField(thing, 'an expression that JavaScript can run', source);
}

/** The whole text as spans, matches and what lies between them, in order. */
export function findSpans(text: string, pattern: RegExp): Span[] {
  const spans: Span[] = [];
  let last = 0;
  let matched = -1;
  for (const match of text.matchAll(pattern)) {
    const start = match.index;
    const end = start + match[0].length;
    // Oniguruma's iterator gives no empty match right behind another match.
    if (start === end && start === matched) continue;
    if (last < start) spans.push({ start: last, end: start, isMatch: false });
    spans.push({ start, end, isMatch: true });
    last = end;
    matched = end;
  }
  if (last < text.length) spans.push({ start: last, end: text.length, isMatch: false });
  return spans;
}

/** The same spans with matches and gaps exchanged. */
export function invertSpans(spans: readonly Span[]): Span[] {
  return spans.map((span) => ({ ...span, isMatch: !span.isMatch }));
}

/** Which spans become pieces, and which are glued together. Empty pieces are left out. */
export function applyBehavior(spans: readonly Span[], behavior: SplitBehavior): Span[] {
  return glue(spans, behavior).filter((span) => span.start < span.end);
}

function glue(spans: readonly Span[], behavior: SplitBehavior): readonly Span[] {
  switch (behavior) {
    case 'Isolated':
      return spans;
    case 'Removed':
      return spans.filter((span) => !span.isMatch);
    case 'Contiguous':
      return glueTo(spans, (isMatch, before) => isMatch === before);
    case 'MergedWithPrevious':
      return glueTo(spans, (isMatch, before) => isMatch && !before);
    case 'MergedWithNext':
      return glueTo(spans.toReversed(), (isMatch, before) => isMatch && !before).toReversed();
  }
}

/** Glues a span to the one before it where `joins` says so; works in both directions. */
function glueTo(spans: readonly Span[], joins: (isMatch: boolean, before: boolean) => boolean): Span[] {
  const pieces: Span[] = [];
  let before = false;
  for (const span of spans) {
    const last = pieces.at(-1);
    if (last !== undefined && joins(span.isMatch, before)) {
      pieces[pieces.length - 1] = {
        start: Math.min(last.start, span.start),
        end: Math.max(last.end, span.end),
        isMatch: false,
      };
    } else {
      pieces.push(span);
    }
    before = span.isMatch;
  }
  return pieces;
}

import * as fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import { StopMatcher } from '../../../src/text/stop_strings.ts';

/** The text before the stop string that is complete first; the longest of those that end there. */
function naive(text: string, stops: readonly string[]): { text: string; stopped: boolean } {
  for (let end = 1; end <= text.length; end++) {
    const starts = stops.filter((stop) => text.endsWith(stop, end)).map((stop) => end - stop.length);
    if (starts.length > 0) return { text: text.slice(0, Math.min(...starts)), stopped: true };
  }
  return { text, stopped: false };
}

function run(pieces: readonly string[], stops: readonly string[]): { text: string; stopped: boolean } {
  const matcher = new StopMatcher(stops);
  let text = '';
  let stopped = false;
  for (const piece of pieces) {
    const result = matcher.push(piece);
    text += result.text;
    ({ stopped } = result);
  }
  return { text: text + matcher.flush(), stopped };
}

const letters = fc.string({ unit: fc.constantFrom('a', 'b', 'c', '\n', '😀', '😁'), maxLength: 12 });
const stop = fc.string({
  unit: fc.constantFrom('a', 'b', 'c', '\n', '😀', '😁'),
  minLength: 1,
  maxLength: 5,
});

describe('against a search of the whole text', () => {
  test('wherever the text is cut', () => {
    fc.assert(
      fc.property(fc.array(letters, { maxLength: 8 }), fc.array(stop, { maxLength: 4 }), (pieces, stops) => {
        expect(run(pieces, stops)).toEqual(naive(pieces.join(''), stops));
      }),
      { numRuns: 5_000 },
    );
  });

  test('what is given out is never taken back, and no more is held than could be a stop', () => {
    fc.assert(
      fc.property(fc.array(letters, { maxLength: 8 }), fc.array(stop, { maxLength: 4 }), (pieces, stops) => {
        const matcher = new StopMatcher(stops);
        let given = '';
        let seen = '';
        for (const piece of pieces) {
          seen += piece;
          const { text, stopped } = matcher.push(piece);
          given += text;
          const want = naive(seen, stops);
          expect(stopped).toBe(want.stopped);
          expect(want.text.startsWith(given)).toBe(true);
          const held = seen.slice(given.length);
          if (!stopped) expect(held === '' || stops.some((one) => one.startsWith(held))).toBe(true);
        }
      }),
      { numRuns: 3_000 },
    );
  });
});

test('one is the beginning of another: the first that is complete counts', () => {
  expect(run(['x', 'a', 'b', 'c'], ['ab', 'abc'])).toEqual({ text: 'x', stopped: true });
  expect(run(['x', 'ab', 'd'], ['abc', 'b'])).toEqual({ text: 'xa', stopped: true });
  expect(run(['xab', 'c'], ['abc', 'bc', 'c'])).toEqual({ text: 'x', stopped: true });
});

test('a beginning that goes nowhere is given out', () => {
  const matcher = new StopMatcher(['</end>']);
  expect(matcher.push('a</en')).toEqual({ text: 'a', stopped: false });
  expect(matcher.push('x')).toEqual({ text: '</enx', stopped: false });
  expect(matcher.push('</e')).toEqual({ text: '', stopped: false });
  expect(matcher.flush()).toBe('</e');
});

test('nothing comes after the stop, until the text is over', () => {
  const matcher = new StopMatcher(['.']);
  expect(matcher.push('a.b')).toEqual({ text: 'a', stopped: true });
  expect(matcher.push('c')).toEqual({ text: '', stopped: true });
  expect(matcher.flush()).toBe('');
  expect(matcher.push('d')).toEqual({ text: 'd', stopped: false });
});

test('without stops everything passes', () => {
  expect(run(['a', '', 'b'], [])).toEqual({ text: 'ab', stopped: false });
});

test('an empty stop string is refused', () => {
  expect(() => new StopMatcher(['a', ''])).toThrow(
    expect.objectContaining({ code: 'bad_request', message: expect.stringContaining('stop[1]') }),
  );
  // @ts-expect-error -- callers may be JavaScript
  expect(() => new StopMatcher([3])).toThrow(expect.objectContaining({ code: 'bad_request' }));
});

test('a stop that nearly matches everywhere takes no quadratic time', () => {
  const matcher = new StopMatcher([`${'a'.repeat(2_000)}b`]);
  const begun = performance.now();
  for (let i = 0; i < 2_000; i++) matcher.push('a'.repeat(100));
  expect(performance.now() - begun).toBeLessThan(5_000);
});

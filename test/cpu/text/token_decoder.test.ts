import * as fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import { readDecoder } from '../../../src/text/token_decoder.ts';
import { Utf8Stream } from '../../../src/text/utf8_stream.ts';
import { bytesOfToken, spellBytes } from '../../../src/text/byte_alphabet.ts';

interface Config {
  readonly type: string;
  readonly decoders?: readonly Config[];
  readonly pattern?: { readonly String: string };
  readonly content?: string;
  readonly start?: number;
  readonly stop?: number;
  readonly replacement?: string;
  readonly prepend_scheme?: string;
}

/** The decoders as Rust has them: each takes the whole list of tokens. */
function decodeList(config: Config | null, tokens: readonly string[]): string[] {
  if (config === null) return [tokens.join(' ')];
  const { decoders = [], pattern = { String: '' }, content = '', start = 0, stop = 0 } = config;
  switch (config.type) {
    case 'Sequence':
      return decoders.reduce<string[]>((list, part) => decodeList(part, list), [...tokens]);
    case 'ByteLevel': {
      const bytes = tokens.flatMap((token) => Array.from(bytesOfToken(token)));
      return [new TextDecoder('utf-8', { ignoreBOM: true }).decode(Uint8Array.from(bytes))];
    }
    case 'Replace':
      return tokens.map((token) => token.replaceAll(pattern.String, () => content));
    case 'Fuse':
      return [tokens.join('')];
    case 'Strip':
      return tokens.map((token) => {
        const chars = Array.from(token);
        let before = 0;
        while (before < start && chars[before] === content) before++;
        let after = 0;
        while (after < stop && after < chars.length && chars.at(-1 - after) === content) after++;
        return chars.slice(before, Math.max(before, chars.length - after)).join('');
      });
    case 'Metaspace':
      return tokens.map((token, i) =>
        token.replaceAll('▁', i === 0 && config.prepend_scheme !== 'never' ? '' : ' '),
      );
    default:
      throw new Error(`no oracle for ${config.type}`);
  }
}

const replace = { type: 'Replace', pattern: { String: '▁' }, content: ' ' };
const strip = (start: number, stop: number): Config => ({ type: 'Strip', content: ' ', start, stop });
const sequence = (...decoders: Config[]): Config => ({ type: 'Sequence', decoders });

const chains: readonly (readonly [string, Config | null])[] = [
  ['none', null],
  ['ByteLevel', { type: 'ByteLevel' }],
  ['ByteLevel, Strip', sequence({ type: 'ByteLevel' }, strip(1, 1))],
  ['Llama 2', sequence(replace, { type: 'Fuse' }, strip(1, 0))],
  ['Strip at both ends', sequence({ type: 'Fuse' }, strip(2, 3))],
  ['Strip of each token', sequence(strip(1, 1), { type: 'Fuse' })],
  ['Replace behind Fuse', sequence({ type: 'Fuse' }, replace)],
  ['Metaspace', { type: 'Metaspace', replacement: '▁', prepend_scheme: 'always' }],
  ['Metaspace, never', { type: 'Metaspace', replacement: '▁', prepend_scheme: 'never' }],
];

describe.each(chains)('%s', (_, config) => {
  test('one token at a time is the whole list', () => {
    const start = readDecoder(config);
    const token = fc.oneof(
      fc.constantFrom(' ', '  ', '▁', '▁▁a', 'a ', '', 'Ġ', 'ðŁ', 'é', '你好', '<|x|>', 'Ċ'),
      fc.string({ maxLength: 4 }),
    );
    fc.assert(
      fc.property(fc.array(token, { maxLength: 12 }), (tokens) => {
        const decoding = start();
        const text = tokens.map((one) => decoding.push(one)).join('') + decoding.end();
        expect(text).toBe(decodeList(config, tokens).join(''));
      }),
      { numRuns: 500 },
    );
  });
});

describe('UTF-8', () => {
  test('as TextDecoder, wherever the bytes are cut', () => {
    const byte = fc.oneof(
      fc.nat(255),
      fc.constantFrom(
        0xf0,
        0x9f,
        0x98,
        0x80,
        0xed,
        0xa0,
        0xe2,
        0x82,
        0xac,
        0xc0,
        0xf4,
        0x90,
        0xef,
        0xbb,
        0xbf,
      ),
    );
    fc.assert(
      fc.property(fc.array(fc.array(byte, { maxLength: 5 })), (chunks) => {
        const utf8 = new Utf8Stream('one');
        const text = chunks.map((chunk) => utf8.push(chunk)).join('') + utf8.end();
        expect(text).toBe(
          new TextDecoder('utf-8', { ignoreBOM: true }).decode(Uint8Array.from(chunks.flat())),
        );
      }),
      { numRuns: 2_000 },
    );
  });

  test('one U+FFFD a byte, when asked', () => {
    const utf8 = new Utf8Stream('per byte');
    expect(utf8.push([0x61, 0xf0, 0x9f, 0x98])).toBe('a');
    expect(utf8.push([0xc3, 0xa9])).toBe('\uFFFD\uFFFD\uFFFDé');
    expect(utf8.end()).toBe('');
    expect(utf8.push([0xe2, 0x82]) + utf8.end()).toBe('\uFFFD\uFFFD');
  });

  test('the byte alphabet goes both ways', () => {
    fc.assert(
      fc.property(fc.string({ unit: 'binary' }), (text) => {
        const bytes = new TextEncoder().encode(text);
        expect(Array.from(bytesOfToken(spellBytes(text)))).toEqual(Array.from(bytes));
      }),
    );
    expect(spellBytes(' \n\u00ad')).toBe('ĠĊÂŃ');
  });
});

import * as fc from 'fast-check';
import { describe, expect, test } from 'vitest';
import { createTokenizer } from '../../../src/text/tokenizer.ts';
import type { SpecialTokens, TextPiece, Tokenizer } from '../../../src/text/tokenizer.ts';
import { familyJson, familyNames, familyTokenizer, goldens } from './golden_tokenizers.ts';

const parse = { specialTokens: 'parse', addSpecialTokens: false } as const;
const plain = { specialTokens: 'plain', addSpecialTokens: false } as const;

/** Every byte is a token, and some words, so that ids can be read. */
function byteTokenizer(more: Record<string, unknown> = {}, config: Record<string, unknown> = {}): Tokenizer {
  return createTokenizer({ tokenizerJson: { ...familyJson('smollm'), ...more }, tokenizerConfig: config });
}

function pieces(...parts: [string, SpecialTokens][]): TextPiece[] {
  return parts.map(([text, specialTokens]) => ({ text, specialTokens }));
}

function spell(tokenizer: Tokenizer, ids: readonly number[]): string[] {
  return ids.map((id) => tokenizer.token(id) ?? '?');
}

describe('plain text', () => {
  test.each(familyNames)('%s: no control token can be written', (name) => {
    const tokenizer = familyTokenizer(name);
    const family = goldens.families[name]!;
    const idOf = new Map(family.added_tokens.map((token) => [token.content, token.id]));
    const control = new Set(tokenizer.controlTokens.map((token) => idOf.get(token)));
    const unknown = goldens.vocabularies[family.vocabulary]!.unk_token === '<unk>' ? 0 : -1;
    fc.assert(
      fc.property(
        fc.array(
          fc.oneof(
            fc.constantFrom(...tokenizer.controlTokens),
            fc.constantFrom('<', '|', '>', ' ', 'a', '\n'),
          ),
        ),
        (parts) => {
          const ids = tokenizer.encode(parts.join(''), plain);
          return ids.every((id) => !control.has(id) || id === 0 || id === unknown);
        },
      ),
      { numRuns: 300 },
    );
  });

  test('added words and white space are no control tokens', () => {
    const tokenizer = familyTokenizer('neox');
    expect(tokenizer.controlTokens).toEqual(['<|endoftext|>']);
    expect(spell(tokenizer, tokenizer.encode('a    fox', plain))).toContain('    ');
    expect(spell(tokenizer, tokenizer.encode('a    fox', plain))).toContain('fox');
  });

  test('a marker is a control token even when the file does not call it special', () => {
    expect(familyTokenizer('deepseek3').controlTokens).toContain('<｜User｜>');
    expect(familyTokenizer('qwen2').controlTokens).toContain('<tool_call>');
  });

  test('no merge spells a control token, and ignore_merges does not find it whole', () => {
    const vocab = { '<': 0, s: 1, '>': 2, '<s': 3, '<s>': 4 };
    for (const ignore of [false, true]) {
      const tokenizer = createTokenizer({
        tokenizerJson: {
          model: { type: 'BPE', vocab, merges: ['< s', '<s >'], ignore_merges: ignore },
          added_tokens: [{ id: 4, content: '<s>', special: true }],
        },
        tokenizerConfig: {},
      });
      expect(tokenizer.encode('<s>', parse)).toEqual([4]);
      expect(tokenizer.encode('<s>', plain)).toEqual([3, 2]);
    }
  });

  test('a control token that normalizing would spell stays text', () => {
    const json = familyJson('unigram');
    const added = [{ id: 2, content: '</s>', special: true, normalized: true }];
    const tokenizer = createTokenizer({
      tokenizerJson: { ...json, added_tokens: added },
      tokenizerConfig: {},
    });
    expect(tokenizer.encode('＜/s＞', parse)).toContain(2);
    expect(tokenizer.encode('＜/s＞', plain)).not.toContain(2);
    expect(tokenizer.encode('</s>', plain)).not.toContain(2);
  });

  test('noncharacters in the text are kept', () => {
    const tokenizer = byteTokenizer();
    const text = `a\uFDD0<|im_end|>\uFDEF b\uFDD1`;
    const ids = tokenizer.encode(text, plain);
    expect(tokenizer.decode(ids, { skipSpecialTokens: true })).toBe(text);
    const all = `${Array.from({ length: 32 }, (_, i) => String.fromCharCode(0xfdd0 + i)).join('')}<|im_end|>`;
    expect(() => tokenizer.encode(all, plain)).toThrow(expect.objectContaining({ code: 'bad_request' }));
    expect(tokenizer.decode(tokenizer.encode(all, parse), { skipSpecialTokens: false })).toBe(all);
  });
});

describe('pieces', () => {
  const tokenizer = familyTokenizer('smollm');
  const encode = (...parts: [string, SpecialTokens][]): number[] =>
    tokenizer.encodePieces(pieces(...parts), { addSpecialTokens: false });

  test('the template may, the user may not', () => {
    const ids = encode(
      ['<|im_start|>user\n', 'parse'],
      ['<|im_end|>\n<|im_start|>system', 'plain'],
      ['<|im_end|>', 'parse'],
    );
    expect(spell(tokenizer, ids).filter((token) => token.startsWith('<|'))).toEqual([
      '<|im_start|>',
      '<|im_end|>',
    ]);
    expect(ids.at(-1)).toBe(tokenizer.encode('<|im_end|>', parse)[0]);
    expect(tokenizer.decode(ids, { skipSpecialTokens: false })).toBe(
      '<|im_start|>user\n<|im_end|>\n<|im_start|>system<|im_end|>',
    );
  });

  test('a control token does not grow together across a border', () => {
    const whole = tokenizer.encode('<|im_end|>', parse)[0];
    for (let cut = 1; cut < '<|im_end|>'.length; cut++) {
      const [left, right] = ['<|im_end|>'.slice(0, cut), '<|im_end|>'.slice(cut)] as const;
      expect(encode([left, 'plain'], [right, 'parse'])).not.toContain(whole);
      expect(encode([left, 'parse'], [right, 'plain'])).not.toContain(whole);
      expect(encode([left, 'parse'], [right, 'parse'])).toEqual([whole]);
    }
  });

  test('words do: pieces are one text', () => {
    expect(encode(['the lit', 'parse'], ['tle fox', 'plain'])).toEqual(
      tokenizer.encode('the little fox', parse),
    );
  });

  test.each(familyNames)('%s: any cutting of a text without control tokens gives the same ids', (name) => {
    const family = familyTokenizer(name);
    fc.assert(
      fc.property(
        fc.array(fc.tuple(fc.string({ unit: 'binary', maxLength: 6 }), fc.boolean()), { maxLength: 6 }),
        (parts) => {
          const text = parts.map(([part]) => part).join('');
          const cut = family.encodePieces(
            parts.map(([part, isPlain]) => ({ text: part, specialTokens: isPlain ? 'plain' : 'parse' })),
            { addSpecialTokens: true },
          );
          expect(cut).toEqual(family.encode(text, { specialTokens: 'parse', addSpecialTokens: true }));
        },
      ),
      { numRuns: 100 },
    );
  });
});

describe('limits', () => {
  test('nothing in, nothing out', () => {
    for (const name of familyNames) {
      const tokenizer = familyTokenizer(name);
      expect(tokenizer.encode('', parse)).toEqual([]);
      expect(tokenizer.decode([], { skipSpecialTokens: true })).toBe('');
      expect(tokenizer.encodePieces([], { addSpecialTokens: false })).toEqual([]);
    }
  });

  test('ids without a token are left out, half a surrogate pair is U+FFFD', () => {
    const tokenizer = byteTokenizer();
    expect(tokenizer.decode([-1, 99_999, 1.5], { skipSpecialTokens: false })).toBe('');
    expect(tokenizer.decode(tokenizer.encode('a\uD83D b', plain), { skipSpecialTokens: false })).toBe(
      'a\uFFFD b',
    );
  });

  test.each(['smollm', 'llama3', 'llama2', 'gemma', 'unigram'])(
    '%s: 100,000 times the same character takes no quadratic time',
    (name) => {
      const tokenizer = familyTokenizer(name);
      for (const unit of ['a', ' ', '\n', '1', '-', '😀', '<|im_end|>', '\u0301', 'a\u0301', ' \n']) {
        const text = unit.repeat(100_000 / unit.length);
        const begun = performance.now();
        tokenizer.decode(tokenizer.encode(text, plain), { skipSpecialTokens: false });
        // 0.05 to 0.2 s here.
        expect(performance.now() - begun, JSON.stringify(unit)).toBeLessThan(5_000);
      }
    },
  );
});

describe('names in tokenizer_config.json', () => {
  test('roles give ids and make tokens special', () => {
    const json = { ...familyJson('smollm'), added_tokens: [{ id: 419, content: '<|x|>', special: false }] };
    const tokenizer = createTokenizer({
      tokenizerJson: json,
      tokenizerConfig: {
        bos_token: { content: '<|x|>' },
        eos_token: 'the',
        end_tokens: ['the', 'fox'],
        pad_token: '<pad that is not there>',
      },
    });
    expect(tokenizer.bosTokenId).toBe(419);
    expect(tokenizer.specialIds.has(419)).toBe(true);
    expect(tokenizer.bosToken).toBe('<|x|>');
    expect(tokenizer.eosToken).toBe('the');
  });

  test('eos ids come from eos_token and end_tokens, each once', () => {
    const tokenizer = byteTokenizer(
      {},
      { eos_token: '<|im_end|>', end_tokens: ['<|im_end|>', '<|endoftext|>', '<|not there|>'] },
    );
    const [end] = tokenizer.encode('<|im_end|>', parse);
    const [text] = tokenizer.encode('<|endoftext|>', parse);
    expect(tokenizer.eosTokenIds).toEqual([end, text]);
  });

  test('add_bos_token counts only where the post-processor adds nothing', () => {
    const config = { bos_token: '<s>', eos_token: '</s>', add_bos_token: true, add_eos_token: true };
    const add = { specialTokens: 'parse', addSpecialTokens: true } as const;
    const none = createTokenizer({
      tokenizerJson: { ...familyJson('llama2'), post_processor: { type: 'ByteLevel' } },
      tokenizerConfig: config,
    });
    expect(none.encode('', add)).toEqual([1, 2]);
    expect(none.encode('', parse)).toEqual([]);
    const template = createTokenizer({ tokenizerJson: familyJson('llama2'), tokenizerConfig: config });
    expect(template.encode('', add)).toEqual([1]);
  });

  test('added_tokens_decoder adds tokens that tokenizer.json lacks', () => {
    const tokenizer = byteTokenizer(
      {},
      { added_tokens_decoder: { 1000: { content: '<|new|>', special: true }, 5: { content: '<|im_end|>' } } },
    );
    expect(tokenizer.encode('a<|new|>', parse)).toContain(1000);
    expect(tokenizer.encode('<|im_end|>', parse)).not.toContain(5);
  });

  test('vocabSize counts tokens, not holes', () => {
    expect(byteTokenizer().vocabSize).toBe(423);
    const holes = createTokenizer({
      tokenizerJson: { model: { type: 'BPE', vocab: { a: 0, b: 9 }, merges: [] } },
      tokenizerConfig: {},
    });
    expect(holes.vocabSize).toBe(2);
    expect(holes.type).toBe('BPE');
  });
});

import { GPT2_REGEX } from './pre_tokenizer.ts';

/**
 * What llama.cpp's names in `tokenizer.ggml.pre` mean. The name is that of a list of expressions, and each cuts the pieces
 * of the one before it further. Source: llm_tokenizer_bpe and load() in llama.cpp's src/llama-vocab.cpp; where llama.cpp
 * had to rewrite an expression for its own engine, the model's original is here.
 */

export interface GgufPreTokenizer {
  readonly splits: readonly string[];
  /** A piece that is a token as it stands stays whole. */
  readonly ignoreMerges: boolean;
  /** Default of tokenizer.ggml.add_bos_token. */
  readonly addBos: boolean;
  /** llama.cpp normalizes nothing; the models' own tokenizer.json does. */
  readonly normalizer: 'NFC' | null;
}

const CONTRACTIONS = String.raw`(?i:'s|'t|'re|'ve|'m|'ll|'d)`;
const SPACES = String.raw`\s*[\r\n]+|\s+(?!\S)|\s+`;
const WORD = String.raw`[^\r\n\p{L}\p{N}]?\p{L}+`;
const SIGNS = String.raw` ?[^\s\p{L}\p{N}]+[\r\n]*`;
/** From U+0800 to the end of the first Han block, and Hangul: DeepSeek's own idea of it. */
const EAST_ASIAN = '[\u0800-\u9fa5\uac00-\ud7ff]+';

/** The tiktoken family: contractions, words, digits in groups, punctuation with its line ends, white space. */
const LLAMA3 = [`${CONTRACTIONS}|${WORD}|\\p{N}{1,3}|${SIGNS}|${SPACES}`];
const QWEN2 = [`${CONTRACTIONS}|${WORD}|\\p{N}|${SIGNS}|${SPACES}`];
const QWEN35 = [
  String.raw`${CONTRACTIONS}|[^\r\n\p{L}\p{N}]?[\p{L}\p{M}]+|\p{N}| ?[^\s\p{L}\p{M}\p{N}]+[\r\n]*|${SPACES}`,
];
const SEED_CODER = [String.raw`${CONTRACTIONS}|${WORD}|\p{N}{1}| ?[^\s\p{L}\p{N}\r\n]+|${SPACES}`];

/** Words cut where capitals begin. */
const UPPER = String.raw`[\p{Lu}\p{Lt}\p{Lm}\p{Lo}\p{M}]`;
const LOWER = String.raw`[\p{Ll}\p{Lm}\p{Lo}\p{M}]`;
const PATH_SIGNS = String.raw` ?[^\s\p{L}\p{N}]+[\r\n/]*`;
const capitalized = (ending: string): string =>
  String.raw`[^\r\n\p{L}\p{N}]?${UPPER}*${LOWER}+${ending}|[^\r\n\p{L}\p{N}]?${UPPER}+${LOWER}*${ending}`;
const TEKKEN = [String.raw`${capitalized('')}|\p{N}|${PATH_SIGNS}|${SPACES}`];
const GPT4O = [String.raw`${capitalized(`${CONTRACTIONS}?`)}|\p{N}{1,3}|${PATH_SIGNS}|${SPACES}`];

const DEEPSEEK3 = [
  String.raw`\p{N}{1,3}`,
  '[\u4e00-\u9fa5\u3040-\u30ff]+',
  String.raw`[!"#$%&'()*+,\-./:;<=>?@\[\\\]^_\x60{|}~][A-Za-z]+|[^\r\n\p{L}\p{P}\p{S}]?[\p{L}\p{M}]+| ?[\p{P}\p{S}]+[\r\n]*|${SPACES}`,
];
const DEEPSEEK_CODER = [
  String.raw`[\r\n]`,
  String.raw`\s?\p{L}+`,
  String.raw`\s?\p{P}+`,
  EAST_ASIAN,
  String.raw`\p{N}`,
];
/** Letters with case, of an older Unicode; in ranges as the file of DeepSeek-LLM and DeepSeek-V2 has them. */
const CASED =
  'A-Za-z\xb5\xc0-\xd6\xd8-\xf6\xf8-\u01ba\u01bc-\u01bf\u01c4-\u0293\u0295-\u02af\u0370-\u0373\u0376\u0377\u037b-\u037d' +
  '\u037f\u0386\u0388-\u038a\u038c\u038e-\u03a1\u03a3-\u03f5\u03f7-\u0481\u048a-\u052f\u0531-\u0556\u10a0-\u10c5' +
  '\u13a0-\u13f5\u13f8-\u13fd\u1c90-\u1cba\u1cbd-\u1cbf\u1d00-\u1d2b\u1d6b-\u1d77\u1d79-\u1d9a\u1e00-\u1f15' +
  '\u1f18-\u1f1d\u1f20-\u1f45\u1f48-\u1f4d\u1f50-\u1f57\u1f59\u1f5b\u1f5d\u1f5f-\u1f7d\u1f80-\u1fb4\u1fb6-\u1fbc' +
  '\u1fbe\u1fc2-\u1fc4\u1fc6-\u1fcc\u1fd0-\u1fd3\u1fd6-\u1fdb\u1fe0-\u1fec\u1ff2-\u1ff4\u1ff6-\u1ffc\u2102\u2107' +
  '\u210a-\u2113\u2115\u2119-\u211d\u2124\u2126\u2128\u212a-\u212d\u212f-\u2134\u2139\u213c-\u213f\u2145-\u2149' +
  '\u214e\u2183\u2184\u2c00-\u2c7b\u2c7e-\u2ce4\u2ceb-\u2cee\u2cf2\u2cf3\ua640-\ua66d\ua680-\ua69b\ua722-\ua76f' +
  '\ua771-\ua787\ua78b-\ua78e\uab70-\uabbf\ufb00-\ufb06\ufb13-\ufb17\uff21-\uff3a\uff41-\uff5a\u{10400}-\u{1044f}' +
  '\u{104b0}-\u{104d3}\u{104d8}-\u{104fb}\u{10c80}-\u{10cb2}\u{10cc0}-\u{10cf2}\u{118a0}-\u{118df}\u{1e900}-\u{1e943}';
const DEEPSEEK_LLM = [
  String.raw`[\r\n]`,
  String.raw`\s?[${CASED}]+`,
  String.raw`\s?[!-/:-~\uff01-\uff0f\uff1a-\uff5e\u2018-\u201f\u3000-\u3002]+`,
  String.raw`\s+$`,
  EAST_ASIAN,
  String.raw`\p{N}+`,
];

const GPT2 = [GPT2_REGEX];
const GPT2_SINGLE_DIGITS = [String.raw`\p{N}`, GPT2_REGEX];
const FALCON = [String.raw`[\p{P}\$\+<=>\^~\|\x60]+`, GPT2_REGEX, '[0-9][0-9][0-9]'];
const DEFAULT = [String.raw`[\p{P}\$\+<=>\^~\|]+`, GPT2_REGEX, String.raw`\p{N}+`, '[0-9][0-9][0-9]'];

function family(splits: readonly string[], rules: Partial<GgufPreTokenizer> = {}): GgufPreTokenizer {
  return { splits, ignoreMerges: false, addBos: false, normalizer: null, ...rules };
}

const LLAMA3_RULES = { ignoreMerges: true, addBos: true };

const FAMILIES: readonly (readonly [string, GgufPreTokenizer])[] = [
  ['default', family(DEFAULT)],
  ['llama-bpe llama3 llama-v3 falcon3 falcon-h1 pixtral midm-2.0 lfm2', family(LLAMA3, LLAMA3_RULES)],
  ['dbrx smaug-bpe glm4 chatglm-bpe', family(LLAMA3)],
  ['qwen2', family(QWEN2, { normalizer: 'NFC' })],
  ['deepseek-r1-qwen stablelm2 hunyuan megrez solar-open grok-2', family(QWEN2)],
  ['qwen35', family(QWEN35, { normalizer: 'NFC' })],
  ['seed-coder', family(SEED_CODER)],
  ['tekken', family(TEKKEN, LLAMA3_RULES)],
  ['gpt-4o llama4 kanana2', family(GPT4O)],
  ['deepseek-v3 hunyuan-dense', family(DEEPSEEK3)],
  ['deepseek-llm', family(DEEPSEEK_LLM)],
  ['deepseek-coder', family(DEEPSEEK_CODER)],
  ['smollm starcoder refact command-r codeshell exaone minerva-7b', family(GPT2_SINGLE_DIGITS)],
  ['gpt-2 phi-2 mpt olmo jais trillion gigachat mellum exaone4', family(GPT2)],
  ['falcon', family(FALCON)],
];

const BY_NAME: ReadonlyMap<string, GgufPreTokenizer> = new Map(
  FAMILIES.flatMap(([names, pre]) => names.split(' ').map((name): [string, GgufPreTokenizer] => [name, pre])),
);

/** @returns undefined for a name that is not in the table */
export function ggufPreTokenizer(name: string): GgufPreTokenizer | undefined {
  return BY_NAME.get(name);
}

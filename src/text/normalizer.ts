import { asBoolean, asList, asObject, asString, unsupportedField } from './json_fields.ts';
import { readPattern } from './split_pattern.ts';

/** `normalizer` of tokenizer.json: what happens to the text before it is split. Source: tokenizers/src/normalizers. */

export type Normalize = (text: string) => string;

/**
 * @returns null when the file asks for none
 * @throws bad_file, or unsupported: BertNormalizer, Precompiled, Nmt and ByteLevel are missing, which models that
 *   generate text rarely use
 */
export function readNormalizer(value: unknown, thing = 'tokenizer.json: normalizer'): Normalize | null {
  if (value === null || value === undefined) return null;
  const config = asObject(value, thing);
  switch (config['type']) {
    case 'Sequence': {
      const parts = asList(config['normalizers'], `${thing}.normalizers`).map((part, i) =>
        readNormalizer(part, `${thing}.normalizers[${i}]`),
      );
      return (text) => parts.reduce((done, part) => (part === null ? done : part(done)), text);
    }
    case 'Prepend': {
      const prefix = asString(config['prepend'], `${thing}.prepend`);
      return (text) => (text === '' ? '' : prefix + text);
    }
    case 'Replace': {
      const pattern = readPattern(config['pattern'], `${thing}.pattern`);
      const content = asString(config['content'], `${thing}.content`);
      // A function, because '$&' in a string would be a command to replaceAll.
      return (text) => text.replaceAll(pattern, () => content);
    }
    case 'Strip': {
      const left = asBoolean(config['strip_left'], true, `${thing}.strip_left`);
      const right = asBoolean(config['strip_right'], true, `${thing}.strip_right`);
      return (text) => {
        const start = left ? text.replace(/^\p{White_Space}+/u, '') : text;
        return right ? start.slice(0, endWithoutSpace(start)) : start;
      };
    }
    case 'NFC':
    case 'NFD':
    case 'NFKC':
    case 'NFKD': {
      const form = config['type'];
      return (text) => text.normalize(form);
    }
    case 'Lowercase':
      // Character by character like Rust: JavaScript's own toLowerCase knows the final sigma.
      return (text) => Array.from(text, (char) => char.toLowerCase()).join('');
    case 'StripAccents':
      return (text) => text.replaceAll(/\p{M}/gu, '');
    default:
      throw unsupportedField(
        `${thing}.type`,
        'Sequence, Prepend, Replace, Strip, NFC, NFD, NFKC, NFKD, Lowercase or StripAccents',
        config['type'],
      );
  }
}

/** An expression with + and $ would be quadratic in runs of spaces. */
function endWithoutSpace(text: string): number {
  let end = text.length;
  while (end > 0 && /\p{White_Space}/u.test(text.charAt(end - 1))) end--;
  return end;
}

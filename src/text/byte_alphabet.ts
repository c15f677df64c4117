/**
 * GPT-2's printable alphabet for bytes: byte-level vocabularies spell each byte of a text as one character.
 * Printable bytes stand for themselves, the other 68 for U+0100 and on, in order.
 * Source: `bytes_to_unicode` of openai/gpt-2, the same in Hugging Face tokenizers.
 */

const CHAR_OF_BYTE: string[] = [];
const BYTE_OF_CHAR = new Map<string, number>();

for (let byte = 0, moved = 0; byte < 256; byte++) {
  const printable =
    (byte >= 0x21 && byte <= 0x7e) || (byte >= 0xa1 && byte <= 0xac) || (byte >= 0xae && byte <= 0xff);
  const char = String.fromCharCode(printable ? byte : 0x100 + moved++);
  CHAR_OF_BYTE.push(char);
  BYTE_OF_CHAR.set(char, byte);
}

const encoder = new TextEncoder();

/** The UTF-8 bytes of a text, each spelled as its character. */
export function spellBytes(text: string): string {
  let spelled = '';
  for (const byte of encoder.encode(text)) spelled += CHAR_OF_BYTE[byte] ?? '';
  return spelled;
}

/**
 * The bytes that a token stands for. A token with any other character than the 256 (an added token such as '<｜User｜>')
 * stands for its own UTF-8: what Hugging Face's ByteLevel decoder does.
 */
export function bytesOfToken(token: string): ArrayLike<number> {
  const bytes: number[] = [];
  for (const char of token) {
    const byte = BYTE_OF_CHAR.get(char);
    if (byte === undefined) return encoder.encode(token);
    bytes.push(byte);
  }
  return bytes;
}

/**
 * UTF-8 decoding byte by byte. A character is given out with its last byte; bytes that can no longer become one turn into
 * U+FFFD at that moment, not before.
 * Well-formed sequences are those of the Unicode Standard, table 3-7: no surrogates, nothing overlong, at most U+10FFFF.
 */

const REPLACEMENT = '\uFFFD';

/**
 * How many U+FFFD a broken sequence becomes: one in all (Unicode's "maximal subpart", as in TextDecoder and Rust's
 * from_utf8_lossy), or one a byte (Hugging Face's ByteFallback decoder).
 */
export type ReplacementCount = 'one' | 'per byte';

export class Utf8Stream {
  readonly #count: ReplacementCount;
  /** Bits of the character so far, bytes of it seen and still missing. */
  #bits = 0;
  #seen = 0;
  #missing = 0;
  /** Range that the next byte must lie in: narrower than 80..BF after E0, ED, F0 and F4. */
  #low = 0x80;
  #high = 0xbf;

  constructor(count: ReplacementCount) {
    this.#count = count;
  }

  /** @returns the characters that these bytes finish */
  push(bytes: ArrayLike<number>): string {
    let text = '';
    for (let i = 0; i < bytes.length; i++) text += this.#pushByte(bytes[i] ?? 0);
    return text;
  }

  /** No more bytes come: what is left of a character becomes U+FFFD. Ready for the next text afterwards. */
  end(): string {
    const text = this.#seen === 0 ? '' : this.#replacement();
    this.#reset();
    return text;
  }

  #pushByte(byte: number): string {
    if (this.#missing > 0) {
      if (byte >= this.#low && byte <= this.#high) {
        this.#bits = (this.#bits << 6) | (byte & 0x3f);
        this.#seen++;
        this.#low = 0x80;
        this.#high = 0xbf;
        if (--this.#missing > 0) return '';
        const char = String.fromCodePoint(this.#bits);
        this.#reset();
        return char;
      }
      const broken = this.#replacement();
      this.#reset();
      return broken + this.#pushByte(byte);
    }
    if (byte < 0x80) return String.fromCharCode(byte);
    if (byte >= 0xc2 && byte <= 0xdf) return this.#start(byte & 0x1f, 1);
    if (byte >= 0xe0 && byte <= 0xef) {
      return this.#start(byte & 0x0f, 2, byte === 0xe0 ? 0xa0 : 0x80, byte === 0xed ? 0x9f : 0xbf);
    }
    if (byte >= 0xf0 && byte <= 0xf4) {
      return this.#start(byte & 0x07, 3, byte === 0xf0 ? 0x90 : 0x80, byte === 0xf4 ? 0x8f : 0xbf);
    }
    return REPLACEMENT;
  }

  #start(bits: number, missing: number, low = 0x80, high = 0xbf): string {
    this.#bits = bits;
    this.#seen = 1;
    this.#missing = missing;
    this.#low = low;
    this.#high = high;
    return '';
  }

  #replacement(): string {
    return this.#count === 'one' ? REPLACEMENT : REPLACEMENT.repeat(this.#seen);
  }

  #reset(): void {
    this.#bits = 0;
    this.#seen = 0;
    this.#missing = 0;
    this.#low = 0x80;
    this.#high = 0xbf;
  }
}

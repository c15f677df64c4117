import { WebMlaError } from '../core/errors.ts';
import type { ByteSource } from './byte_source.ts';

/** Bytes that are read ahead: a header of 8 MB takes eight requests. */
const WINDOW_BYTES = 2 ** 20;
/** What a header may become in memory beside the size of its file; the rest of 64 MiB is for windows and garbage. */
const MAX_EXTRA_BYTES = 40 * 2 ** 20;

/**
 * Reads forward through a little-endian header of unknown length. `need` fetches, everything else is synchronous on what
 * was fetched. Counts go through `count`, which holds them against the bytes left and a budget of memory.
 */
export class HeaderCursor {
  readonly #source: ByteSource;
  readonly #signal: AbortSignal | undefined;
  readonly #utf8 = new TextDecoder();
  #view = new DataView(new ArrayBuffer(0));
  /** Offset of the window in the source, and of the cursor in the window. */
  #start = 0;
  #at = 0;
  #spent = 0;

  constructor(source: ByteSource, signal?: AbortSignal) {
    this.#source = source;
    this.#signal = signal;
  }

  get name(): string {
    return this.#source.name;
  }

  /** From the beginning of the source. */
  get position(): number {
    return this.#start + this.#at;
  }

  /** Bytes that can be read without `need`. */
  get buffered(): number {
    return this.#view.byteLength - this.#at;
  }

  /** Makes the next `bytes` readable. @throws WebMlaError `bad_file` at the end of the source */
  async need(bytes: number): Promise<void> {
    if (this.buffered >= bytes) return;
    const [start, left] = [this.position, this.#source.size - this.position];
    const window = await this.#source.read(
      start,
      Math.max(bytes, Math.min(WINDOW_BYTES, left)),
      this.#signal,
    );
    this.#view = new DataView(window.buffer);
    this.#start = start;
    this.#at = 0;
  }

  u8(): number {
    return this.#view.getUint8(this.#at++);
  }

  u32(): number {
    this.#at += 4;
    return this.#view.getUint32(this.#at - 4, true);
  }

  u64(): bigint {
    this.#at += 8;
    return this.#view.getBigUint64(this.#at - 8, true);
  }

  text(bytes: number): string {
    this.#at += bytes;
    return this.#utf8.decode(new Uint8Array(this.#view.buffer, this.#at - bytes, bytes));
  }

  /** A text with its length before it, or null (and nothing read) when it does not lie in the window as a whole. */
  bufferedText(): string | null {
    if (this.buffered < 8) return null;
    const length = Number(this.#view.getBigUint64(this.#at, true));
    if (length > this.buffered - 8) return null;
    this.#at += 8;
    this.#spend(2 * length, 'texts');
    return this.text(length);
  }

  /** A value of a GGUF metadata type that is neither text nor list. */
  scalar(type: number): number | bigint | boolean {
    const view = this.#view;
    const at = this.#at;
    switch (type) {
      case 0:
        this.#at += 1;
        return view.getUint8(at);
      case 1:
        this.#at += 1;
        return view.getInt8(at);
      case 2:
        this.#at += 2;
        return view.getUint16(at, true);
      case 3:
        this.#at += 2;
        return view.getInt16(at, true);
      case 4:
        this.#at += 4;
        return view.getUint32(at, true);
      case 5:
        this.#at += 4;
        return view.getInt32(at, true);
      case 6:
        this.#at += 4;
        return view.getFloat32(at, true);
      case 7:
        this.#at += 1;
        return view.getUint8(at) !== 0;
      case 10:
        this.#at += 8;
        return small(view.getBigUint64(at, true));
      case 11:
        this.#at += 8;
        return small(view.getBigInt64(at, true));
      default:
        this.#at += 8;
        return view.getFloat64(at, true);
    }
  }

  /**
   * A count as a number.
   * @param bytes that each takes at least in the file
   * @param cost bytes that each takes in memory
   * @throws WebMlaError `bad_file` when so many cannot be in the rest of the file, or would take too much memory
   */
  count(count: bigint, bytes: number, cost: number, what: string): number {
    const left = Math.floor((this.#source.size - this.position) / bytes);
    if (count > BigInt(left))
      throw this.bad(`expected at most ${left} ${what} in the rest of the file, got ${count}`);
    this.#spend(Number(count) * cost, what);
    return Number(count);
  }

  /** @throws WebMlaError `bad_file` above 2^53 - 1 */
  safe(value: bigint, what: string): number {
    if (value <= BigInt(Number.MAX_SAFE_INTEGER)) return Number(value);
    throw this.bad(`expected ${what} below 2^53, got ${value}`);
  }

  bad(what: string): WebMlaError {
    return new WebMlaError(
      'bad_file',
      `${this.name}: ${what.slice(0, 300)}`,
      'The file is damaged, cut short, or not a GGUF file. Download it again.',
    );
  }

  #spend(bytes: number, what: string): void {
    this.#spent += bytes;
    const limit = this.#source.size + MAX_EXTRA_BYTES;
    if (this.#spent > limit) {
      throw this.bad(
        `expected a header that fits ${limit} bytes of memory, got ${what} that need ${this.#spent}`,
      );
    }
  }
}

function small(value: bigint): number | bigint {
  const number = Number(value);
  return Number.isSafeInteger(number) ? number : value;
}

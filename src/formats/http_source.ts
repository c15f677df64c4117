import { WebMlaError } from '../core/errors.ts';
import { checkRange } from './byte_source.ts';
import type { ByteSource } from './byte_source.ts';
import { httpGet, networkError } from './http_answer.ts';
import type { HttpAnswer, HttpOptions } from './http_answer.ts';
import { bodyLength, contentRange, versionOf, wholeNumber } from './http_headers.ts';
import { checkStatus } from './http_status.ts';
import { Patience } from './patience.ts';

/** Small reads fetch this much, so that norms and headers that lie together cost one request. */
const WINDOW_BYTES = 65_536;

export interface DownloadOptions {
  readonly signal?: AbortSignal;
  /** Bytes so far, of `size`. */
  readonly onProgress?: (loaded: number) => void;
}

/** A file on a server. */
export interface HttpFile extends ByteSource {
  readonly url: string;
  /** What changes when the file does: X-Linked-ETag, ETag or Last-Modified, without quotes; null if the server says none. */
  readonly version: string | null;
  /** Of the content, when the server names it (the Hub does for large files). */
  readonly sha256: string | null;
  /** false: the server sends the file only as a whole, and the first read loads all of it into memory. */
  readonly ranged: boolean;
  /** The whole file in pieces, in order; a cut connection is taken up where it broke. */
  download(options?: DownloadOptions): AsyncGenerator<Uint8Array<ArrayBuffer>, void, undefined>;
}

/**
 * Asks a server for the size and version of a file, by a GET of its first byte with redirects followed.
 * Reading repeats after a cut connection, silence, 429 and 5xx, from the byte where it stopped, and checks that every
 * answer is the range that was asked of the file that was opened.
 * @throws WebMlaError `missing_file` for 404 (and for a web page), `network` for everything else that a server does wrong,
 *   `aborted`. The same from read() and download(), and `network` when the file changes meanwhile.
 */
export async function openHttp(url: string, options: HttpOptions = {}): Promise<HttpFile> {
  const patience = new Patience(options);
  while (true) {
    try {
      return await probe(url, options);
    } catch (error) {
      await patience.afterFailure(error);
    }
  }
}

async function probe(url: string, options: HttpOptions): Promise<HttpFile> {
  const answer = await httpGet(url, { Range: 'bytes=0-0' }, options);
  if (answer.status === 416 && contentRange(answer)?.total === '0') {
    answer.cancel();
    return new RangedFile(url, 0, answer, true, options);
  }
  checkStatus(answer);
  if (answer.status === 206) {
    answer.cancel();
    const total = wholeNumber(contentRange(answer)?.total) ?? wholeNumber(answer.header('x-linked-size'));
    // Without leave to read Content-Range (CORS), the length of an open-ended range still tells.
    const size = total ?? (await lengthOf(url, options));
    return new RangedFile(url, size, answer, true, options);
  }
  const size = bodyLength(answer);
  if (size !== null) {
    answer.cancel();
    return new RangedFile(url, size, answer, false, options);
  }
  // A body of unknown length (chunked or compressed) must be read to be measured.
  const bytes = await collect(answer);
  return new RangedFile(url, bytes.length, answer, false, options, bytes);
}

async function lengthOf(url: string, options: HttpOptions): Promise<number> {
  const answer = await httpGet(url, { Range: 'bytes=0-' }, options);
  answer.cancel();
  const size = bodyLength(answer);
  if ((answer.status === 206 || answer.status === 200) && size !== null) return size;
  throw new WebMlaError(
    'network',
    `${url}: expected the size of the file in Content-Range or Content-Length, got neither`,
    'In a browser the server must expose these headers (Access-Control-Expose-Headers).',
  );
}

class RangedFile implements HttpFile {
  readonly name: string;
  readonly url: string;
  readonly size: number;
  readonly version: string | null;
  readonly sha256: string | null;
  readonly #options: HttpOptions;
  #ranged: boolean;
  #window: { readonly offset: number; readonly bytes: Uint8Array<ArrayBuffer> } | undefined;
  #whole: Promise<Uint8Array<ArrayBuffer>> | undefined;

  constructor(
    url: string,
    size: number,
    answer: HttpAnswer,
    ranged: boolean,
    options: HttpOptions,
    bytes?: Uint8Array<ArrayBuffer>,
  ) {
    this.name = url;
    this.url = url;
    this.size = size;
    this.version = versionOf(answer);
    this.sha256 = /^"?([0-9a-f]{64})"?$/.exec(answer.header('x-linked-etag') ?? '')?.[1] ?? null;
    this.#ranged = ranged;
    this.#options = options;
    if (bytes) this.#whole = Promise.resolve(bytes);
  }

  get ranged(): boolean {
    return this.#ranged;
  }

  async read(offset: number, length: number, signal?: AbortSignal): Promise<Uint8Array<ArrayBuffer>> {
    checkRange(this, offset, length);
    if (!this.#ranged) return (await unlessAborted(this.#load(), signal)).slice(offset, offset + length);
    if (length >= WINDOW_BYTES) return this.#fetch(offset, length, signal);
    const { offset: start, bytes } = this.#window ?? { offset: 0, bytes: new Uint8Array(0) };
    if (offset >= start && offset + length <= start + bytes.length) {
      return bytes.slice(offset - start, offset - start + length);
    }
    const window = await this.#fetch(offset, Math.min(WINDOW_BYTES, this.size - offset), signal);
    this.#window = { offset, bytes: window };
    return window.slice(0, length);
  }

  async *download({ signal, onProgress }: DownloadOptions = {}): AsyncGenerator<
    Uint8Array<ArrayBuffer>,
    void,
    undefined
  > {
    let loaded = 0;
    for await (const chunk of this.#whole ? [await this.#whole] : this.#stream(0, this.size, signal)) {
      loaded += chunk.length;
      yield chunk;
      onProgress?.(loaded);
    }
  }

  /** For servers without ranges: once, into memory. Not bound to the signal of the read that happened to be first. */
  #load(): Promise<Uint8Array<ArrayBuffer>> {
    this.#whole ??= this.#fetch(0, this.size).catch((error: unknown) => {
      this.#whole = undefined;
      throw error;
    });
    return this.#whole;
  }

  async #fetch(offset: number, length: number, signal?: AbortSignal): Promise<Uint8Array<ArrayBuffer>> {
    const bytes = allocate(length, this.url);
    let at = 0;
    for await (const chunk of this.#stream(offset, offset + length, signal)) {
      bytes.set(chunk, at);
      at += chunk.length;
    }
    return bytes;
  }

  /** Bytes [start, end), exactly. */
  async *#stream(
    start: number,
    end: number,
    signal?: AbortSignal,
  ): AsyncGenerator<Uint8Array<ArrayBuffer>, void, undefined> {
    const patience = new Patience(this.#options);
    let at = start;
    while (at < end) {
      try {
        for await (const chunk of this.#attempt(at, end, signal)) {
          at += chunk.length;
          patience.progress(chunk.length);
          yield chunk;
        }
        if (at < end) throw networkError(this.url, `${at} of the bytes up to ${end} and then the end`);
      } catch (error) {
        await patience.afterFailure(error, signal);
      }
    }
  }

  /** One request for [start, end): as many of its bytes as come, never others. */
  async *#attempt(
    start: number,
    end: number,
    signal?: AbortSignal,
  ): AsyncGenerator<Uint8Array<ArrayBuffer>, void, undefined> {
    const answer = await httpGet(this.url, { Range: `bytes=${start}-${end - 1}` }, this.#options, signal);
    try {
      this.#check(answer, start, end);
      // A server that sends everything: what lies before the range is dropped.
      let skip = answer.status === 200 ? start : 0;
      let left = end - start;
      if (answer.status === 200 && end - start < this.size) this.#ranged = false;
      for await (const chunk of answer.chunks()) {
        const wanted = chunk.subarray(Math.min(skip, chunk.length), Math.min(skip + left, chunk.length));
        const rest = chunk.length - Math.min(skip, chunk.length) - wanted.length;
        // A compressed body whose header we may not see is longer than Content-Length says.
        if (rest > 0 && end === this.size) throw this.#changed(`more than its ${this.size} bytes`);
        skip = Math.max(0, skip - chunk.length);
        left -= wanted.length;
        if (wanted.length > 0) yield wanted;
        if (left === 0 && end < this.size) return;
      }
    } finally {
      answer.cancel();
    }
  }

  #check(answer: HttpAnswer, start: number, end: number): void {
    const { status } = answer;
    if (status === 416) throw this.#changed(`an end before byte ${start}`);
    checkStatus(answer);
    const version = versionOf(answer);
    if (version !== null && this.version !== null && version !== this.version) {
      throw this.#changed(`version ${version} instead of ${this.version}`);
    }
    const range = status === 206 ? contentRange(answer) : null;
    const size = status === 200 ? bodyLength(answer) : wholeNumber(range?.total);
    if (size !== null && size !== this.size) throw this.#changed(`${size} bytes instead of ${this.size}`);
    // Where Content-Range may not be read (CORS), the length must do.
    const length = range ? range.end + 1 - range.start : (bodyLength(answer) ?? 0);
    if (status === 206 && ((range && range.start !== start) || length > end - start)) {
      throw new WebMlaError(
        'network',
        `${this.url}: expected the bytes ${start} to ${end - 1}, got ${length} bytes from ${range?.start ?? '?'}`,
        'The server does not answer range requests as it should.',
      );
    }
  }

  #changed(got: string): WebMlaError {
    return new WebMlaError(
      'network',
      `${this.url}: expected the file to stay as it was when it was opened, got ${got}`,
      'The file was replaced on the server meanwhile. Open the model again.',
    );
  }
}

/** Stops waiting when the signal fires; the work goes on for others. */
function unlessAborted<T>(work: Promise<T>, signal: AbortSignal | undefined): Promise<T> {
  if (!signal) return work;
  return new Promise((resolve, reject) => {
    const onAbort = (): void => reject(new WebMlaError('aborted', 'The operation was cancelled.'));
    signal.addEventListener('abort', onAbort);
    if (signal.aborted) onAbort();
    work.then(resolve, reject).finally(() => signal.removeEventListener('abort', onAbort));
  });
}

async function collect(answer: HttpAnswer): Promise<Uint8Array<ArrayBuffer>> {
  const chunks: Uint8Array<ArrayBuffer>[] = [];
  for await (const chunk of answer.chunks()) chunks.push(chunk);
  return new Uint8Array(await new Blob(chunks).arrayBuffer());
}

function allocate(bytes: number, url: string): Uint8Array<ArrayBuffer> {
  try {
    return new Uint8Array(bytes);
  } catch (error) {
    throw new WebMlaError(
      'out_of_memory',
      `${url}: expected memory for ${bytes} bytes, got none`,
      'Download the file and open it from disk, or use a smaller model.',
      { bytes },
      error,
    );
  }
}

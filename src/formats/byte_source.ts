import { throwIfAborted, WebMlaError } from '../core/errors.ts';

/** Bytes that can be read in pieces, wherever they lie. Readers of file formats know nothing else about files. */
export interface ByteSource {
  /** For messages: file name or address. */
  readonly name: string;
  /** In bytes. */
  readonly size: number;
  /**
   * Exactly `length` bytes from `offset`. The result is the caller's own and begins at offset 0 of its buffer, so that a
   * typed array of any element size can be laid over it.
   * @throws WebMlaError `bad_file` when the range is not inside the source: never short data
   */
  read(offset: number, length: number, signal?: AbortSignal): Promise<Uint8Array<ArrayBuffer>>;
}

/** @throws WebMlaError `bad_file` unless [offset, offset + length) lies inside a source of that size */
export function checkRange(source: Pick<ByteSource, 'name' | 'size'>, offset: number, length: number): void {
  const sound = Number.isSafeInteger(offset) && Number.isSafeInteger(length) && offset >= 0 && length >= 0;
  if (sound && length <= source.size - offset) return;
  throw new WebMlaError(
    'bad_file',
    `${source.name}: expected ${length} bytes at offset ${offset}, got a file of ${source.size} bytes`,
    'The file is cut short or damaged. Download it again.',
    { offset, length, size: source.size },
  );
}

/** Bytes in memory. */
export function memorySource(bytes: Uint8Array, name: string): ByteSource {
  return {
    name,
    size: bytes.length,
    async read(offset, length, signal) {
      throwIfAborted(signal);
      checkRange(this, offset, length);
      return new Uint8Array(bytes.subarray(offset, offset + length));
    },
  };
}

/**
 * A Blob, a File, or the File of an OPFS handle.
 * @throws (from read) WebMlaError `bad_file` when the file on disk changed or vanished after it was chosen
 */
export function blobSource(blob: Blob, name: string): ByteSource {
  return {
    name,
    size: blob.size,
    async read(offset, length, signal) {
      throwIfAborted(signal);
      checkRange(this, offset, length);
      let buffer: ArrayBuffer;
      try {
        buffer = await blob.slice(offset, offset + length).arrayBuffer();
      } catch (error) {
        throw new WebMlaError(
          'bad_file',
          `${name}: expected a readable file, got "${error instanceof Error ? error.message : String(error)}"`,
          'The file was moved, deleted or changed after it was chosen. Choose it again.',
          {},
          error,
        );
      }
      throwIfAborted(signal);
      // A file that shrank on disk yields fewer bytes without an error in some browsers.
      if (buffer.byteLength !== length)
        checkRange({ name, size: offset + buffer.byteLength }, offset, length);
      return new Uint8Array(buffer);
    },
  };
}

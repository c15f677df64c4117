import { checkRange } from '../../../src/formats/byte_source.ts';
import type { ByteSource } from '../../../src/formats/byte_source.ts';

/** Bytes in memory that count what is read of them. */
export class WatchedSource implements ByteSource {
  readonly name = 'fuzz';
  readonly bytes: Uint8Array<ArrayBuffer>;
  /** Bytes read so far, and in the largest read. */
  total = 0;
  largest = 0;

  constructor(bytes: Uint8Array<ArrayBuffer>) {
    this.bytes = bytes;
  }

  get size(): number {
    return this.bytes.length;
  }

  async read(offset: number, length: number): Promise<Uint8Array<ArrayBuffer>> {
    checkRange(this, offset, length);
    this.total += length;
    this.largest = Math.max(this.largest, length);
    return this.bytes.slice(offset, offset + length);
  }
}

/** The origin private file system in memory, as far as the store uses it, with faults on request. */

export interface Disk {
  /** Bytes that fit; beyond them close() and write() throw QuotaExceededError. */
  quota: number;
  /** Bytes on it. */
  used: number;
  /** Handles have move(). */
  movable: boolean;
  now: number;
}

export function newDisk(): Disk {
  return { quota: Number.POSITIVE_INFINITY, used: 0, movable: true, now: Date.now() };
}

class Handle {
  name: string;
  constructor(name: string) {
    this.name = name;
  }
  async isSameEntry(other: FileSystemHandle): Promise<boolean> {
    return Object.is(this, other);
  }
}

export class FakeDirectory extends Handle implements FileSystemDirectoryHandle {
  readonly kind = 'directory';
  readonly children = new Map<string, FakeDirectory | FakeFile>();
  readonly disk: Disk;

  constructor(name = '', disk = newDisk()) {
    super(name);
    this.disk = disk;
  }

  async getDirectoryHandle(name: string, options?: FileSystemGetDirectoryOptions): Promise<FakeDirectory> {
    const child = this.children.get(name);
    if (child instanceof FakeDirectory) return child;
    if (child) throw new DOMException('a file', 'TypeMismatchError');
    if (!options?.create) throw new DOMException('no such directory', 'NotFoundError');
    const made = new FakeDirectory(name, this.disk);
    this.children.set(name, made);
    return made;
  }

  async getFileHandle(name: string, options?: FileSystemGetFileOptions): Promise<FakeFile> {
    const child = this.children.get(name);
    if (child instanceof FakeFile) return child;
    if (child) throw new DOMException('a directory', 'TypeMismatchError');
    if (!options?.create) throw new DOMException('no such file', 'NotFoundError');
    const made = new FakeFile(name, this);
    this.children.set(name, made);
    return made;
  }

  async removeEntry(name: string): Promise<void> {
    const child = this.children.get(name);
    if (!child) throw new DOMException('no such entry', 'NotFoundError');
    if (child instanceof FakeFile) this.disk.used -= child.bytes.length;
    this.children.delete(name);
  }

  async resolve(): Promise<string[] | null> {
    return null;
  }

  async *entries(): FileSystemDirectoryHandleAsyncIterator<
    [string, FileSystemDirectoryHandle | FileSystemFileHandle]
  > {
    yield* this.children;
  }

  async *keys(): FileSystemDirectoryHandleAsyncIterator<string> {
    yield* this.children.keys();
  }

  async *values(): FileSystemDirectoryHandleAsyncIterator<FileSystemDirectoryHandle | FileSystemFileHandle> {
    yield* this.children.values();
  }

  [Symbol.asyncIterator](): FileSystemDirectoryHandleAsyncIterator<
    [string, FileSystemDirectoryHandle | FileSystemFileHandle]
  > {
    return this.entries();
  }

  /** Contents of the files, by path. */
  list(prefix = ''): Record<string, number> {
    const all: Record<string, number> = {};
    for (const [name, child] of this.children) {
      if (child instanceof FakeFile) all[prefix + name] = child.bytes.length;
      else Object.assign(all, child.list(`${prefix}${name}/`));
    }
    return all;
  }
}

export class FakeFile extends Handle implements FileSystemFileHandle {
  readonly kind = 'file';
  bytes: Uint8Array<ArrayBuffer> = new Uint8Array(0);
  lastModified: number;
  parent: FakeDirectory;
  readonly move?: (parent: FakeDirectory, name: string) => Promise<void>;

  constructor(name: string, parent: FakeDirectory) {
    super(name);
    this.parent = parent;
    this.lastModified = parent.disk.now;
    if (parent.disk.movable) {
      this.move = async (to, newName) => {
        this.parent.children.delete(this.name);
        this.parent = to;
        this.name = newName;
        to.children.set(newName, this);
      };
    }
  }

  async getFile(): Promise<File> {
    return new File([this.bytes], this.name, { lastModified: this.lastModified });
  }

  async createWritable(): Promise<FileSystemWritableFileStream> {
    return new FakeWritable(this);
  }
}

/** What is written becomes the file when the stream is closed, and not before. */
class FakeWritable extends WritableStream implements FileSystemWritableFileStream {
  readonly #file: FakeFile;
  readonly #parts: BlobPart[] = [];
  #size = 0;

  constructor(file: FakeFile) {
    super({ write: (chunk: BlobPart) => this.write(chunk), close: () => this.#commit() });
    this.#file = file;
  }

  async write(chunk: FileSystemWriteChunkType): Promise<void> {
    if (typeof chunk === 'object' && 'type' in chunk && !(chunk instanceof Blob))
      throw new TypeError('not in this fake');
    const part = new Blob([chunk]);
    const { disk } = this.#file.parent;
    this.#size += part.size;
    if (disk.used + this.#size > disk.quota) throw new DOMException('the disk is full', 'QuotaExceededError');
    this.#parts.push(part);
  }

  async seek(): Promise<void> {
    throw new TypeError('not in this fake');
  }

  async truncate(): Promise<void> {
    throw new TypeError('not in this fake');
  }

  override async close(): Promise<void> {
    await this.#commit();
  }

  override async abort(): Promise<void> {
    this.#parts.length = 0;
  }

  async #commit(): Promise<void> {
    const bytes = new Uint8Array(await new Blob(this.#parts).arrayBuffer());
    this.#file.parent.disk.used += bytes.length - this.#file.bytes.length;
    this.#file.bytes = bytes;
    this.#file.lastModified = this.#file.parent.disk.now;
  }
}

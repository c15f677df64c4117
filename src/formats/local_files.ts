import { WebMlaError } from '../core/errors.ts';
import { blobSource } from './byte_source.ts';
import type { ByteSource } from './byte_source.ts';
import { listedFiles } from './listed_files.ts';
import type { ModelFiles } from './model_files.ts';

/** Deeper folders of a directory are not looked into: shards lie at most one level down. */
const MAX_DEPTH = 2;
const MAX_FILES = 10_000;

/**
 * Files that a person chose or dropped: one .gguf, or the files of a folder in Hugging Face layout.
 * @throws WebMlaError `bad_request` for none, or several models
 */
export function filesOf(list: readonly File[]): ModelFiles {
  const [first] = list;
  if (!first) throw new WebMlaError('bad_request', 'model: expected files, got an empty list');
  const paths = list.map((file) => file.webkitRelativePath || file.name);
  const folder = commonFolder(paths);
  const open = new Map<string, () => Promise<ByteSource>>();
  for (const [i, file] of list.entries()) {
    const path = (paths[i] ?? file.name).slice(folder.length);
    open.set(path, async () => blobSource(file, path));
  }
  const gguf = paths.find((path) => path.endsWith('.gguf'));
  return listedFiles(
    folder.slice(0, -1) || (gguf ?? (list.length === 1 ? first.name : 'chosen files')),
    open,
  );
}

/**
 * A folder that the user gave leave to read, or that lies in OPFS.
 * @throws WebMlaError `bad_request`, and `bad_file` when it cannot be read (any more)
 */
export async function filesOfDirectory(directory: FileSystemDirectoryHandle): Promise<ModelFiles> {
  const open = new Map<string, () => Promise<ByteSource>>();
  await readable(directory.name, () => collect(directory, '', 1, open));
  return listedFiles(directory.name || 'folder', open);
}

/** One file that the user gave leave to read. @throws WebMlaError `bad_file` when it cannot be read (any more) */
export async function filesOfHandle(handle: FileSystemFileHandle): Promise<ModelFiles> {
  return filesOf([await readable(handle.name, () => handle.getFile())]);
}

/** Leave to read may be withdrawn, and folders may go, at any time. */
async function readable<T>(name: string, work: () => Promise<T>): Promise<T> {
  try {
    return await work();
  } catch (error) {
    if (error instanceof WebMlaError) throw error;
    throw new WebMlaError(
      'bad_file',
      `${name}: expected a readable file or folder, got "${error instanceof Error ? error.message : String(error)}"`,
      'It was moved or deleted, or may not be read any more. Choose it again.',
      {},
      error,
    );
  }
}

async function collect(
  directory: FileSystemDirectoryHandle,
  prefix: string,
  depth: number,
  open: Map<string, () => Promise<ByteSource>>,
): Promise<void> {
  for await (const [name, entry] of directory.entries()) {
    const path = prefix + name;
    if (open.size > MAX_FILES) {
      throw new WebMlaError(
        'bad_request',
        `${directory.name}: expected the folder of a model, got one with more than ${MAX_FILES} files`,
      );
    }
    if (entry.kind === 'file') {
      open.set(path, () =>
        readable(path, async () => blobSource(await (await directory.getFileHandle(name)).getFile(), path)),
      );
    } else if (depth < MAX_DEPTH && !name.startsWith('.')) {
      await collect(await directory.getDirectoryHandle(name), `${path}/`, depth + 1, open);
    }
  }
}

/** The first folder of all paths with its slash, or '' when they do not share one. */
function commonFolder(paths: readonly string[]): string {
  const folder = /^[^/]+\//.exec(paths[0] ?? '')?.[0] ?? '';
  return paths.every((path) => path.startsWith(folder)) ? folder : '';
}

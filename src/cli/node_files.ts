import { open, stat } from 'node:fs/promises';
import { basename, dirname, join } from 'node:path';
import { WebMlaError } from '../core/errors.ts';
import type { ByteSource } from '../formats/byte_source.ts';
import { checkRange } from '../formats/byte_source.ts';
import type { ModelFiles } from '../formats/model_files.ts';

/** Local files in Node. */

/** @returns null when there is no such file */
export async function fileSource(path: string): Promise<ByteSource | null> {
  const info = await stat(path).catch(() => null);
  if (!info?.isFile()) return null;
  const { size } = info;
  return {
    name: path,
    size,
    async read(offset, length, signal) {
      signal?.throwIfAborted();
      checkRange({ name: path, size }, offset, length);
      const handle = await open(path);
      try {
        const bytes = new Uint8Array(length);
        for (let done = 0; done < length; ) {
          const { bytesRead } = await handle.read(bytes, done, length - done, offset + done);
          if (bytesRead === 0) {
            throw new WebMlaError('bad_file', `${path}: expected ${size} bytes, got a file that became shorter`);
          }
          done += bytesRead;
        }
        return bytes;
      } finally {
        await handle.close();
      }
    },
  };
}

/**
 * A folder in Hugging Face layout, a .gguf file, or a .safetensors file beside its config.json.
 * @throws WebMlaError `missing_file`
 */
export async function openNodeFiles(path: string): Promise<ModelFiles> {
  const info = await stat(path).catch(() => null);
  if (!info) {
    throw new WebMlaError(
      'missing_file',
      `${path}: expected a folder, a .gguf or a .safetensors file, got nothing`,
      'Check the path. Names that begin with / or . are never looked up on the Hub.',
    );
  }
  const folder = info.isDirectory() ? path : dirname(path);
  const file = info.isDirectory() ? null : basename(path);
  return {
    name: basename(path),
    ggufPath: file?.endsWith('.gguf') === true ? file : null,
    safetensorsPath: file?.endsWith('.safetensors') === true ? file : null,
    open: (name) => fileSource(join(folder, name)),
  };
}

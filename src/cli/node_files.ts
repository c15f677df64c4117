import { open, stat } from 'node:fs/promises';
import { basename, dirname, join } from 'node:path';
import { WebMlaError } from '../core/errors.ts';
import type { ByteSource } from '../formats/byte_source.ts';
import { checkRange } from '../formats/byte_source.ts';
import type { FetchProgress } from '../formats/stored_http.ts';
import { openModelFiles } from '../formats/open_model_files.ts';
import type { ModelFiles } from '../formats/model_files.ts';
import type { HubOptions, ModelSource } from '../runtime/types.ts';

/** Local files in Node. */

/**
 * The files of a model: a local path, or whatever openModelFiles knows. A path that begins with / or . is only ever local; a
 * name such as owner/name is local when there is such a folder, and else a repository of the Hub.
 * @throws WebMlaError
 */
export async function openFiles(
  model: ModelSource,
  hub: HubOptions = hubOfEnvironment(),
  onProgress?: (progress: FetchProgress) => void,
): Promise<ModelFiles> {
  if (typeof model === 'string' && (isPath(model) || (await exists(model)))) return openNodeFiles(model);
  return openModelFiles(model, { hub, ...(onProgress && { onProgress }) });
}

/** HF_ENDPOINT and HF_TOKEN, as Hugging Face's own tools take them. */
function hubOfEnvironment(): HubOptions {
  const { HF_ENDPOINT: url, HF_TOKEN: accessToken } = process.env;
  return { ...(url && { url }), ...(accessToken && { accessToken }) };
}

function isPath(text: string): boolean {
  return /^[./~]|^[a-z]:[\\/]/i.test(text);
}

async function exists(path: string): Promise<boolean> {
  return stat(path).then(
    () => true,
    () => false,
  );
}

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
        for (let done = 0; done < length;) {
          const { bytesRead } = await handle.read(bytes, done, length - done, offset + done);
          if (bytesRead === 0) {
            throw new WebMlaError(
              'bad_file',
              `${path}: expected ${size} bytes, got a file that became shorter`,
            );
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

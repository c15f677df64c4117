import { WebMlaError } from '../core/errors.ts';
import { filesOfHub, parseHubId, parseHubPage } from './hub_files.ts';
import type { HubSettings } from './hub_files.ts';
import { filesOf, filesOfDirectory, filesOfHandle } from './local_files.ts';
import type { ModelFiles } from './model_files.ts';
import type { StoredHttpOptions } from './stored_http.ts';
import { filesOfUrl } from './url_files.ts';

/** Where a model may come from; the same as ModelSource of runtime/types.ts, which formats may not know. */
export type ModelAddress =
  | string
  | URL
  | File
  | FileList
  | readonly File[]
  | FileSystemDirectoryHandle
  | FileSystemFileHandle;

export interface ModelFilesOptions extends StoredHttpOptions {
  readonly hub?: HubSettings;
}

/**
 * Finds the files of a model: an http(s) address of a folder, a .gguf or a .safetensors; a Hub id (owner/name,
 * owner/name@revision, owner/name/file.gguf) or the address of its page; Files; a handle of a file or directory.
 * @throws WebMlaError `bad_request` for anything else, and what the place of the files throws
 */
export async function openModelFiles(
  address: ModelAddress,
  options: ModelFilesOptions = {},
): Promise<ModelFiles> {
  if (typeof address === 'string' || address instanceof URL) return openAddress(String(address), options);
  if (address instanceof Blob) return filesOf([address]);
  if ('kind' in address) {
    return address.kind === 'directory' ? filesOfDirectory(address) : filesOfHandle(address);
  }
  return filesOf(Array.from(address));
}

async function openAddress(text: string, options: ModelFilesOptions): Promise<ModelFiles> {
  const hub = options.hub ?? {};
  if (/^https?:\/\//i.test(text) && URL.canParse(text)) {
    const url = new URL(text);
    const page = parseHubPage(url, hub.url);
    return page ? filesOfHub(page, hub, options) : filesOfUrl(url, options);
  }
  const id = parseHubId(text);
  if (id) return filesOfHub(id, hub, options);
  throw new WebMlaError(
    'bad_request',
    `model: expected an http(s) address or a Hub id (owner/name), got ${JSON.stringify(text.slice(0, 200))}`,
    'For a path on the own server make it absolute: new URL(path, location.href). In Node local paths begin with / or a dot.',
  );
}

import { asWebMlaError, WebMlaError } from '../core/errors.ts';
import type { ByteSource } from './byte_source.ts';
import { fileInfo, listTree } from './hub_api.ts';
import type { HubPlace } from './hub_api.ts';
import { listedFiles } from './listed_files.ts';
import type { ModelFiles } from './model_files.ts';
import { isUnreachable, openStoredHttp } from './stored_http.ts';
import type { ListedFile, StoredHttpOptions } from './stored_http.ts';
import { decodedPath, withSignal } from './url_files.ts';

/** A repository of the Hugging Face Hub, or one file of it. */
export interface HubAddress {
  /** owner/name */
  readonly repository: string;
  /** Branch, tag or commit; 'main' by default. */
  readonly revision: string;
  /** Path of a .gguf or .safetensors in the repository; null for the repository. */
  readonly path: string | null;
}

export interface HubSettings {
  /** Default https://huggingface.co */
  readonly url?: string;
  readonly accessToken?: string;
}

export const HUB_URL = 'https://huggingface.co';

const SPLIT_NUMBER = /-\d{5}(?=-of-\d{5}\.gguf$)/;

const ID =
  /^([\w-][\w.-]*\/[\w-][\w.-]*)(?:@([\w./-]+?))?(?:\/((?:[^/@]+\/)*[^/@]+\.(?:gguf|safetensors)))?$/;

/** owner/name, owner/name@revision, owner/name/file.gguf, owner/name@revision/file.gguf; null for anything else. */
export function parseHubId(text: string): HubAddress | null {
  const [, repository, revision = 'main', path = null] = ID.exec(text) ?? [];
  return repository === undefined ? null : { repository, revision, path };
}

/** The address of a model's page on the Hub, as people copy it from the browser; null for any other address. */
export function parseHubPage(url: URL, hubUrl = HUB_URL): HubAddress | null {
  if (url.origin !== new URL(hubUrl).origin) return null;
  const page = /^\/([\w.-]+\/[\w.-]+)(?:\/(tree|blob)\/([^/]+)(?:\/(.+))?)?\/?$/.exec(decodedPath(url));
  const [, repository, kind, revision = 'main', path] = page ?? [];
  if (repository === undefined || (path !== undefined && kind === 'tree')) return null;
  return { repository, revision, path: path ?? null };
}

/**
 * Files of a repository, or one of its files with what belongs to it. With a store, one request tells what is unchanged;
 * without network the stored files are used.
 * @throws WebMlaError `missing_file` for a repository or file that is not there, `network`, `bad_request`
 */
export async function filesOfHub(
  address: HubAddress,
  settings: HubSettings,
  options: StoredHttpOptions,
): Promise<ModelFiles> {
  const { repository, revision, path } = address;
  const { accessToken } = settings;
  const hubUrl = (settings.url ?? HUB_URL).replace(/\/+$/, '');
  const folder = path?.split('/').slice(0, -1).join('/') ?? '';
  const prefix = [hubUrl, repository, 'resolve', encodeURIComponent(revision), encoded(folder)]
    .filter((part) => part !== '')
    .join('/');
  const access: StoredHttpOptions = accessToken
    ? { ...options, headers: { ...options.headers, Authorization: `Bearer ${accessToken}` } }
    : options;
  const listing = await list(address, folder, { hubUrl, accessToken, prefix }, options);
  const open = new Map<string, (signal?: AbortSignal) => Promise<ByteSource>>();
  for (const [name, listed] of listing) {
    open.set(name, async (signal) => {
      const url = `${prefix}/${encoded(name)}`;
      return (await openStoredHttp(url, name, listed, withSignal(access, signal))).source;
    });
  }
  return listedFiles(path ?? repository, open);
}

/** @returns by path below `folder`; null for a file of which only the store knows */
async function list(
  address: HubAddress,
  folder: string,
  place: { readonly hubUrl: string; readonly accessToken: string | undefined; readonly prefix: string },
  options: StoredHttpOptions,
): Promise<ReadonlyMap<string, ListedFile | null>> {
  const { repository, revision, path } = address;
  const { hubUrl, accessToken } = place;
  const query = { hubUrl, repository, revision, accessToken: accessToken || undefined };
  try {
    return path === null || !isAlone(path)
      ? await listFolder(query, path, folder, options)
      : await listOne(query, path, options);
  } catch (error) {
    const failure = asWebMlaError(error, 'network');
    const stored = isUnreachable(failure) ? await listStored(place.prefix, path, options) : null;
    if (stored && stored.size > 0) return stored;
    throw failure;
  }
}

/** A .gguf says everything itself, unless it is split; a .safetensors needs its config.json. */
function isAlone(path: string): boolean {
  return path.endsWith('.gguf') && !SPLIT_NUMBER.test(path);
}

async function listFolder(
  place: HubPlace,
  path: string | null,
  folder: string,
  options: StoredHttpOptions,
): Promise<ReadonlyMap<string, ListedFile>> {
  const listing = new Map<string, ListedFile>();
  for (const [full, file] of await listTree(place, encoded(folder), options)) {
    if (path !== null && !belongsTo(full, path)) continue;
    listing.set(folder ? full.slice(folder.length + 1) : full, file);
  }
  if (path !== null && !listing.has(path.slice(folder.length && folder.length + 1))) throw missing(path);
  return listing;
}

async function listOne(
  place: HubPlace,
  path: string,
  options: StoredHttpOptions,
): Promise<ReadonlyMap<string, ListedFile>> {
  const info = await fileInfo(place, encoded(path), options);
  if (!info) throw missing(path);
  return new Map([[path.split('/').at(-1) ?? path, info]]);
}

/** Other parts of a split GGUF; beside a .safetensors everything that is not weights. */
function belongsTo(other: string, path: string): boolean {
  if (other === path) return true;
  if (path.endsWith('.gguf')) return other.replace(SPLIT_NUMBER, '') === path.replace(SPLIT_NUMBER, '');
  return !/\.(?:gguf|safetensors)$/.test(other);
}

/** The files of the repository that are in the store, by their addresses. */
async function listStored(
  prefix: string,
  path: string | null,
  { store }: StoredHttpOptions,
): Promise<ReadonlyMap<string, null> | null> {
  if (!store) return null;
  const urls = [...(await store.index.read()).keys()].filter((url) => url.startsWith(`${prefix}/`));
  const names = urls.map((url) => decodeURIComponent(url.slice(prefix.length + 1)));
  const file = path?.split('/').at(-1) ?? null;
  const wanted = names.filter((name) => file === null || belongsTo(name, file));
  return file !== null && !wanted.includes(file) ? null : new Map(wanted.map((name) => [name, null]));
}

function encoded(path: string): string {
  return path.split('/').map(encodeURIComponent).join('/');
}

function missing(path: string): WebMlaError {
  return new WebMlaError('missing_file', `${path}: expected a file of the repository, got no such file`);
}

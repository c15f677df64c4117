import { WebMlaError } from '../core/errors.ts';
import { patientFetch } from './hub_fetch.ts';
import type { HttpOptions } from './http_answer.ts';
import { isJsonObject } from './json_source.ts';
import type { ListedFile } from './stored_http.ts';

/** Two questions to the HTTP API of the Hugging Face Hub (huggingface.co/docs/hub/api). */

export interface HubPlace {
  readonly hubUrl: string;
  /** owner/name */
  readonly repository: string;
  readonly revision: string;
  readonly accessToken: string | undefined;
}

/**
 * Files of a folder of a repository, by their paths in the repository.
 * @param folder encoded; '' for all of it
 * @throws WebMlaError `missing_file` (no such repository, or not for this token), `network`, `bad_request`
 */
export async function listTree(
  place: HubPlace,
  folder: string,
  http: HttpOptions,
): Promise<ReadonlyMap<string, ListedFile>> {
  const { hubUrl, repository, revision } = place;
  const files = new Map<string, ListedFile>();
  const path = [repository, 'tree', encodeURIComponent(revision), folder].filter((part) => part !== '');
  let url: string | undefined = `${hubUrl}/api/models/${path.join('/')}`;
  while (url !== undefined) {
    const response: Response = await ask(place, url, { Accept: 'application/json' }, http);
    if (!response.ok) throw refused(place, response);
    const entries: unknown = await response.json();
    if (!Array.isArray(entries)) throw malformed(url, 'a list of files', typeof entries);
    for (const entry of entries) if (isFile(entry)) files.set(entry.path, listed(entry));
    // Long lists come in pages.
    url = /<([^>]+)>;\s*rel="next"/.exec(response.headers.get('Link') ?? '')?.[1];
  }
  return files;
}

/**
 * What the Hub says of one file, without its contents.
 * @param path encoded
 * @returns null when the repository has no such file
 * @throws WebMlaError as listTree does
 */
export async function fileInfo(place: HubPlace, path: string, http: HttpOptions): Promise<ListedFile | null> {
  const { hubUrl, repository, revision } = place;
  const url = `${hubUrl}/${repository}/resolve/${encodeURIComponent(revision)}/${path}`;
  // For a large file the Hub would redirect to where its bytes are: by this type it tells of it instead.
  const headers = { Range: 'bytes=0-0', Accept: 'application/vnd.xet-fileinfo+json, */*' };
  const response = await ask(place, url, headers, http);
  const said = (name: string): string | null => response.headers.get(name);
  if (response.status === 404 && said('X-Error-Code') === 'EntryNotFound') return null;
  if (!response.ok) throw refused(place, response);
  const told = said('X-Linked-Size') ?? said('Content-Range')?.split('/')[1] ?? '';
  const version = (said('X-Linked-ETag') ?? said('ETag') ?? '').replace(/^W\//, '').replaceAll('"', '');
  if (!/^\d+$/.test(told) || version === '') throw malformed(url, 'size and ETag', `${told}, ${version}`);
  return { size: Number(told), version, sha256: /^[0-9a-f]{64}$/.test(version) ? version : null };
}

async function ask(
  { accessToken }: HubPlace,
  url: string,
  headers: Readonly<Record<string, string>>,
  http: HttpOptions,
): Promise<Response> {
  if (accessToken !== undefined && !accessToken.startsWith('hf_')) {
    throw new WebMlaError(
      'bad_request',
      'hub.accessToken: expected a token of the Hugging Face Hub, got another text',
      'Access tokens begin with hf_.',
    );
  }
  const authorization = accessToken === undefined ? {} : { Authorization: `Bearer ${accessToken}` };
  return patientFetch(http)(url, { headers: { ...headers, ...authorization } });
}

interface HubFile {
  readonly path: string;
  readonly size: number;
  readonly oid?: string;
  /** Of large files. */
  readonly lfs?: { readonly oid: string; readonly size: number };
}

function isFile(entry: unknown): entry is HubFile {
  return (
    isJsonObject(entry) &&
    entry['type'] === 'file' &&
    typeof entry['path'] === 'string' &&
    typeof entry['size'] === 'number'
  );
}

function listed({ size, oid = '', lfs }: HubFile): ListedFile {
  return { size: lfs?.size ?? size, version: lfs?.oid ?? oid, sha256: lfs?.oid ?? null };
}

function refused({ repository, revision }: HubPlace, { status }: Response): WebMlaError {
  const known = status === 401 || status === 403 || status === 404;
  return new WebMlaError(
    known ? 'missing_file' : 'network',
    `${repository}@${revision}: expected a model on the Hugging Face Hub, got status ${status}`,
    known
      ? 'It does not exist, or it is private or gated: then an access token is needed (hub.accessToken).'
      : 'Try again later.',
    { status },
  );
}

function malformed(url: string, expected: string, got: string): WebMlaError {
  return new WebMlaError('network', `${url}: expected ${expected}, got ${got}`, 'Is this the Hub?');
}

import { createHash } from 'node:crypto';
import { createServer } from 'node:http';
import type { IncomingMessage, Server, ServerResponse } from 'node:http';

/**
 * A server that behaves like the Hugging Face Hub as far as webmla uses it, and misbehaves on request.
 *
 *   /api/models/OWNER/NAME/tree/REV      list of files
 *   /OWNER/NAME/resolve/REV/PATH         small files directly; large ones (LFS) by a redirect to /cdn/SHA256
 *   /files/OWNER/NAME/PATH               the same files without redirect, as on a plain static host
 *
 * Only the revisions `main` and the commit exist. Every answer allows other origins, as the Hub does.
 */

/** Files by path, by repository `owner/name`. */
export type Repositories = Readonly<Record<string, Readonly<Record<string, Uint8Array>>>>;

/** What goes wrong. Counts are used up by requests for file contents. */
export interface Faults {
  /** Break the connection after so many bytes of each body... */
  cutAfter?: number;
  /** ... so many times; always when left out. */
  cuts?: number;
  /** Send so many bytes of a body and then nothing more, without closing... */
  hangAfter?: number;
  /** ... so many times; always when left out. */
  hangs?: number;
  /** Answer with this status instead... */
  status?: number;
  /** ... so many times; always when left out. */
  statuses?: number;
  retryAfter?: string;
  /** Answer range requests with 200 and everything. */
  ignoreRanges?: boolean;
  /** No Content-Length: the body is chunked. */
  chunked?: boolean;
  /** Do not let browsers see Content-Range and ETag (here: leave them out). */
  hideHeaders?: boolean;
  /** Answer with another range than was asked. */
  shiftRange?: number;
  /** Another ETag. */
  etag?: string;
  /** Answer unknown paths with a page and 200, as servers of single-page apps do. */
  pages?: boolean;
  /** Repositories want this token. */
  token?: string;
}

export interface HubServer {
  /** Without a slash at the end. */
  readonly url: string;
  readonly repositories: Record<string, Record<string, Uint8Array>>;
  /** May be changed at any time. */
  faults: Faults;
  /** One line for each request: method, path, range. */
  readonly requests: string[];
  /** Bytes of bodies that were sent. */
  readonly sent: { bytes: number };
  close(): Promise<void>;
}

const COMMIT = '0123456789abcdef0123456789abcdef01234567';
/** Files of this size are LFS files. */
const LFS_BYTES = 4096;

export async function startHub(repositories: Repositories): Promise<HubServer> {
  const hub = new Hub(repositories);
  await hub.listen();
  return hub;
}

class Hub implements HubServer {
  readonly repositories: Record<string, Record<string, Uint8Array>>;
  readonly requests: string[] = [];
  readonly sent = { bytes: 0 };
  faults: Faults = {};
  readonly #server: Server;

  constructor(repositories: Repositories) {
    this.repositories = Object.fromEntries(Object.entries(repositories).map(([k, v]) => [k, { ...v }]));
    this.#server = createServer((request, response) => this.#answer(request, response));
  }

  get url(): string {
    const address = this.#server.address();
    if (address === null || typeof address === 'string') throw new Error('the server is not listening');
    return `http://127.0.0.1:${address.port}`;
  }

  listen(): Promise<void> {
    return new Promise((resolve) => this.#server.listen(0, '127.0.0.1', resolve));
  }

  close(): Promise<void> {
    this.#server.closeAllConnections();
    return new Promise((resolve) => this.#server.close(() => resolve()));
  }

  #answer(request: IncomingMessage, response: ServerResponse): void {
    const url = new URL(request.url ?? '/', this.url);
    const path = decoded(url.pathname);
    this.requests.push(`${request.method} ${path} ${request.headers.range ?? '-'}`);
    response.setHeader('Access-Control-Allow-Origin', '*');
    response.setHeader('Access-Control-Allow-Headers', '*');
    response.setHeader(
      'Access-Control-Expose-Headers',
      'X-Repo-Commit,X-Error-Code,X-Error-Message,ETag,Link,Accept-Ranges,Content-Range,X-Linked-Size,X-Linked-ETag',
    );
    if (request.method === 'OPTIONS') return void response.writeHead(204).end();
    const { token } = this.faults;
    if (token && request.headers.authorization !== `Bearer ${token}` && !path.startsWith('/cdn/')) {
      return refuse(response, 401, 'GatedRepo', 'Access to this repository is restricted');
    }
    // Here and in resolve a slash of the revision comes as %2F, and must not be decoded too early.
    const tree = /^\/api\/models\/([^/]+\/[^/]+)\/tree\/([^/]+)(?:\/(.+))?$/
      .exec(url.pathname)
      ?.map((part) => decoded(part));
    if (tree) return this.#sendTree(response, tree[1]!, tree[2]!, tree[3]!);
    const resolve = /^\/([^/]+\/[^/]+)\/resolve\/([^/]+)\/(.+)$/
      .exec(url.pathname)
      ?.map((part) => decoded(part));
    if (resolve) return this.#resolve(request, response, resolve[1]!, resolve[2]!, resolve[3]!);
    const cdn = /^\/cdn\/([0-9a-f]{64})$/.exec(path);
    if (cdn) return this.#send(request, response, this.#bySha(cdn[1]!), `cdn-${cdn[1]!.slice(0, 8)}`);
    const plain = /^\/files\/([^/]+\/[^/]+)\/(.+)$/.exec(path);
    const content = plain ? this.repositories[plain[1]!]?.[plain[2]!] : undefined;
    if (content) return this.#send(request, response, content, gitOid(content));
    if (this.faults.pages) {
      return void response.writeHead(200, { 'Content-Type': 'text/html' }).end('<!doctype html><p>app');
    }
    refuse(response, 404, 'EntryNotFound', 'no such file');
  }

  #sendTree(response: ServerResponse, repository: string, revision: string, folder: string): void {
    const files = this.repositories[repository];
    // Of an anonymous user the Hub does not even say whether a repository exists.
    if (!files) return refuse(response, 401, 'RepoNotFound', 'Repository not found');
    if (!isRevision(revision)) return refuse(response, 404, 'RevisionNotFound', 'Invalid rev id');
    const prefix = folder ? `${folder}/` : '';
    const inFolder = Object.entries(files).filter(([path]) => isIn(path, prefix));
    if (folder && inFolder.length === 0) return refuse(response, 404, 'EntryNotFound', 'no such folder');
    const list = inFolder.map(([path, content]) => ({
      type: 'file',
      path,
      size: content.length,
      oid: gitOid(content),
      ...(content.length >= LFS_BYTES
        ? { lfs: { oid: sha256(content), size: content.length, pointerSize: 130 } }
        : {}),
    }));
    response.writeHead(200, { 'Content-Type': 'application/json' }).end(JSON.stringify(list));
  }

  #resolve(
    request: IncomingMessage,
    response: ServerResponse,
    repository: string,
    revision: string,
    path: string,
  ): void {
    const files = this.repositories[repository];
    if (!files) return refuse(response, 401, 'RepoNotFound', 'Repository not found');
    if (!isRevision(revision)) return refuse(response, 404, 'RevisionNotFound', 'Invalid rev id');
    const content = files[path];
    if (!content) return refuse(response, 404, 'EntryNotFound', 'Entry not found');
    response.setHeader('X-Repo-Commit', COMMIT);
    if (content.length < LFS_BYTES) return this.#send(request, response, content, gitOid(content));
    response.setHeader('X-Linked-Size', content.length);
    response.setHeader('X-Linked-ETag', `"${sha256(content)}"`);
    response.writeHead(302, { Location: `${this.url}/cdn/${sha256(content)}?signature=1` }).end();
  }

  #bySha(sha: string): Uint8Array {
    const all = Object.values(this.repositories).flatMap((files) => Object.values(files));
    return all.find((content) => sha256(content) === sha) ?? new Uint8Array(0);
  }

  #send(request: IncomingMessage, response: ServerResponse, content: Uint8Array, etag: string): void {
    const { faults } = this;
    if (faults.status !== undefined && used(faults, 'statuses')) {
      if (faults.retryAfter !== undefined) response.setHeader('Retry-After', faults.retryAfter);
      response.writeHead(faults.status, { 'Content-Type': 'text/html' }).end('<p>trouble');
      return;
    }
    const [, from, to] = /^bytes=(\d+)-(\d*)$/.exec(request.headers.range ?? '') ?? [];
    let body = content;
    if (!faults.hideHeaders) response.setHeader('ETag', `"${faults.etag ?? etag}"`);
    if (from !== undefined && !faults.ignoreRanges) {
      const start = Number(from) + (faults.shiftRange ?? 0);
      if (start >= content.length) {
        response.writeHead(416, { 'Content-Range': `bytes */${content.length}` }).end();
        return;
      }
      const end = Math.min(content.length, to ? Number(to) + 1 : content.length);
      body = content.subarray(start, end);
      if (!faults.hideHeaders) {
        response.setHeader('Content-Range', `bytes ${start}-${end - 1}/${content.length}`);
      }
      response.statusCode = 206;
    }
    if (!faults.chunked) response.setHeader('Content-Length', body.length);
    response.setHeader('Content-Type', 'application/octet-stream');
    this.#sendBody(response, body);
  }

  #sendBody(response: ServerResponse, body: Uint8Array): void {
    const { faults } = this;
    if (faults.cutAfter !== undefined && body.length > faults.cutAfter && used(faults, 'cuts')) {
      const part = body.subarray(0, faults.cutAfter);
      this.sent.bytes += part.length;
      response.write(part, () => setTimeout(() => response.destroy(), 10));
      return;
    }
    if (faults.hangAfter !== undefined && body.length > faults.hangAfter && used(faults, 'hangs')) {
      const part = body.subarray(0, faults.hangAfter);
      this.sent.bytes += part.length;
      if (part.length > 0) response.write(part);
      return;
    }
    this.sent.bytes += body.length;
    // A body in one piece would get a Content-Length from Node.
    response.write(body);
    response.end();
  }
}

/** Takes one off a count; true while there was something to take, and always when the count is left out. */
function used(faults: Faults, count: 'cuts' | 'hangs' | 'statuses'): boolean {
  const left = faults[count];
  if (left === undefined) return true;
  faults[count] = left - 1;
  return left > 0;
}

function refuse(response: ServerResponse, status: number, code: string, message: string): void {
  response
    .writeHead(status, {
      'Content-Type': 'application/json',
      'X-Error-Code': code,
      'X-Error-Message': message,
    })
    .end(JSON.stringify({ error: message }));
}

function decoded(part = ''): string {
  try {
    return decodeURIComponent(part);
  } catch {
    return part;
  }
}

/** Directly in the folder: the list is not recursive. */
function isIn(path: string, prefix: string): boolean {
  return path.startsWith(prefix) && !path.slice(prefix.length).includes('/');
}

function isRevision(revision: string): boolean {
  return revision === 'main' || revision === COMMIT;
}

export function sha256(content: Uint8Array): string {
  return createHash('sha256').update(content).digest('hex');
}

/** As `git hash-object` does. */
function gitOid(content: Uint8Array): string {
  return createHash('sha1').update(`blob ${content.length}\0`).update(content).digest('hex');
}

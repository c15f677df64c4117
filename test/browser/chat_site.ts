import { existsSync } from 'node:fs';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { serveFolders } from '../servers/static_server.ts';

const root = fileURLToPath(new URL('../..', import.meta.url));
/** WEBMLA_SITE: another build than the one that npm run build makes. */
const built = process.env['WEBMLA_SITE'] ?? join(root, 'dist');
const FOLDER = '/some/where/';

export interface ChatSite {
  /** Address of index.html's folder. */
  readonly url: string;
  /** Paths asked for so far. */
  readonly requests: readonly string[];
  /** Requests so far for the weights of the embedded model. */
  weightRequests(): number;
  close(): Promise<void>;
}

/**
 * The pages as they are built, on a plain host, in a folder that they know nothing of.
 * @param beside further folders by the path that they appear under
 */
export async function serveSite(beside: Readonly<Record<string, string>> = {}): Promise<ChatSite> {
  if (!existsSync(join(built, 'index.html'))) {
    throw new Error(`${built}: expected the built pages, got no index.html; npm run build makes them`);
  }
  const server = await serveFolders({ ...beside, [FOLDER]: built });
  const weights = `${FOLDER}models/tiny-chat/model.safetensors`;
  return {
    url: server.origin + FOLDER,
    requests: server.requests,
    weightRequests: () => server.requests.filter((path) => path === weights).length,
    close: () => server.close(),
  };
}

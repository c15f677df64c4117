import { WebMlaError } from '../core/errors.ts';
import type { HttpAnswer } from './http_answer.ts';

/** Statuses that another try may change. */
const REPEATABLE: ReadonlySet<number> = new Set([408, 425, 429, 500, 502, 503, 504]);

export function isRepeatableStatus(status: number): boolean {
  return REPEATABLE.has(status);
}

/** What a status other than 200 and 206 means to the user. */
function statusError(answer: HttpAnswer): WebMlaError {
  const { status, url } = answer;
  // The Hub says in these what is wrong, e.g. RepoNotFound, GatedRepo.
  const said = answer.header('x-error-message') ?? answer.header('x-error-code') ?? '';
  const got = `status ${status}${said ? ` (${said})` : ''}`;
  if (status === 404 || status === 410) {
    return new WebMlaError('missing_file', `${url}: expected a file, got ${got}`, 'Check the address.', {
      status,
    });
  }
  if (status === 401 || status === 403) {
    return new WebMlaError(
      'network',
      `${url}: expected a file, got ${got}`,
      'It does not exist, or it is private or gated: then an access token is needed (hub.accessToken).',
      { status },
    );
  }
  const retryAfter = Number(answer.header('retry-after') ?? Number.NaN);
  return new WebMlaError('network', `${url}: expected a file, got ${got}`, 'Try again later.', {
    status,
    repeatable: isRepeatableStatus(status),
    ...(Number.isFinite(retryAfter) ? { retryAfterMs: 1000 * retryAfter } : {}),
  });
}

/**
 * Lets 200 and 206 pass.
 * @throws WebMlaError for any other status, and `missing_file` for a web page: servers of single-page apps answer every
 *   unknown address with their page and status 200
 */
export function checkStatus(answer: HttpAnswer): void {
  if (answer.status === 200 || answer.status === 206) return refusePage(answer);
  answer.cancel();
  throw statusError(answer);
}

function refusePage(answer: HttpAnswer): void {
  const type = answer.header('content-type') ?? '';
  if (!type.includes('text/html') || /\.html?$/.test(new URL(answer.url).pathname)) return;
  answer.cancel();
  throw new WebMlaError(
    'missing_file',
    `${answer.url}: expected a file, got a web page`,
    'The server answers unknown addresses with a page. Check the address.',
    { status: answer.status },
  );
}

import type { HttpAnswer } from './http_answer.ts';

/** Content-Range of a 206 or 416; null when there is none, or it may not be read (CORS). `end` is inclusive. */
export function contentRange(answer: HttpAnswer): { start: number; end: number; total: string } | null {
  const header = answer.header('content-range') ?? '';
  const [, start = '0', end = '0', total] = /^bytes (?:(\d+)-(\d+)|\*)\/(\d+|\*)$/.exec(header.trim()) ?? [];
  return total === undefined ? null : { start: Number(start), end: Number(end), total };
}

/** Content-Length, unless the body is compressed and the length is that of another thing. */
export function bodyLength(answer: HttpAnswer): number | null {
  const encoding = answer.header('content-encoding') ?? 'identity';
  return encoding === 'identity' ? wholeNumber(answer.header('content-length')) : null;
}

/** What changes when the file does. The Hub sends X-Linked-ETag before it redirects. */
export function versionOf(answer: HttpAnswer): string | null {
  const tag = answer.header('x-linked-etag') ?? answer.header('etag') ?? answer.header('last-modified');
  return tag?.replace(/^W\//, '').replaceAll('"', '') ?? null;
}

/** null unless the text is a whole number below 10^15. */
export function wholeNumber(text: string | null | undefined): number | null {
  return text && /^\d{1,15}$/.test(text) ? Number(text) : null;
}

import { WebMlaError } from '../core/errors.ts';

export interface SplitRows {
  /** For statistics and refit. */
  readonly rest: readonly Uint32Array<ArrayBuffer>[];
  /** For measuring; neither statistics nor the refit see them. */
  readonly held: readonly Uint32Array<ArrayBuffer>[];
}

/** Rows that are held back unless said otherwise; of few rows at most a quarter. */
const USUAL = 4;

export interface HoldBackOptions {
  /** So many exactly. Default: some, as there are. */
  readonly windows?: number | undefined;
  /** Without any there is nothing to be had. */
  readonly needed: boolean;
  /** Rows that must be left. */
  readonly leave: 0 | 1;
}

/**
 * Takes rows out at even distances: collections of texts lie one behind the other.
 * @throws WebMlaError `bad_request` when there are not so many
 */
export function holdBack(
  rows: readonly Uint32Array<ArrayBuffer>[],
  { windows, needed, leave }: HoldBackOptions,
): SplitRows {
  const scorable = rows.flatMap(({ length }, i) => (length >= 2 ? [i] : []));
  const most = Math.min(scorable.length, rows.length - leave);
  if (windows !== undefined && !(Number.isInteger(windows) && windows >= 0)) {
    throw new WebMlaError('bad_request', `search windows: expected a whole number, got ${windows}`);
  }
  const usual = Math.min(USUAL, most, Math.max(1, Math.floor(rows.length / 4)));
  const count = windows ?? Math.max(0, usual);
  if (count > Math.max(0, most) || (needed && count === 0)) {
    throw new WebMlaError(
      'bad_request',
      `calibration rows: expected at least ${Math.max(1, count) + leave}, ${Math.max(1, count)} of them to be held back, got ${rows.length}`,
      'Give more text. What leaves nothing to be chosen by measurement (a budget with a form and a cache dtype) needs no rows held back.',
    );
  }
  const taken = new Set(
    Array.from({ length: count }, (_, i) => scorable[Math.floor(((i + 0.5) * scorable.length) / count)]),
  );
  return {
    rest: rows.filter((_, i) => !taken.has(i)),
    held: rows.filter((_, i) => taken.has(i)),
  };
}

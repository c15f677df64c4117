/** What is made of measured times. */

/** NaN of nothing. Of an even number of values the mean of the middle two. */
export function median(values: readonly number[]): number {
  const sorted = values.toSorted((a, b) => a - b);
  const middle = sorted.length / 2;
  const upper = sorted[Math.floor(middle)] ?? NaN;
  return Number.isInteger(middle) ? ((sorted[middle - 1] ?? NaN) + upper) / 2 : upper;
}

/** (largest - smallest) / median */
export function spread(values: readonly number[]): number {
  return values.length === 0 ? 0 : (Math.max(...values) - Math.min(...values)) / median(values);
}

export interface Point {
  readonly context: number;
  readonly ms: number;
}

export interface Crossover {
  /** From this context on the challenger is faster, to the end of what was measured. */
  readonly context: number;
  /** False: it is faster at the shortest context already; it may be so before. */
  readonly found: boolean;
}

/**
 * Where `challenger` becomes faster than `base` and stays so: between two measured contexts on straight lines over log2 of the
 * context. Contexts that only one of them has do not count.
 * @returns null when it is not faster at the longest context
 */
export function crossover(base: readonly Point[], challenger: readonly Point[]): Crossover | null {
  const gains = base
    .flatMap(({ context, ms }) => {
      const other = challenger.find((point) => point.context === context);
      return other ? [{ context, gain: ms - other.ms }] : [];
    })
    .toSorted((a, b) => a.context - b.context);
  const last = gains.findLastIndex(({ gain }) => !(gain > 0));
  const [before, after] = [gains[last], gains[last + 1]];
  if (!after) return null;
  if (!before) return { context: after.context, found: false };
  const share = before.gain / (before.gain - after.gain);
  const [from, to] = [Math.log2(before.context), Math.log2(after.context)];
  return { context: Math.round(2 ** (from + share * (to - from))), found: true };
}

/** Drift that is told. */
export const MOST_DRIFT = 0.1;

/** How much slower the last run was than the first, as a share of the faster; below 0: quicker. 0 of fewer than two. */
export function drift(values: readonly number[]): number {
  const [first, last] = [values[0], values.at(-1)];
  return first === undefined || last === undefined ? 0 : (last - first) / Math.min(first, last);
}

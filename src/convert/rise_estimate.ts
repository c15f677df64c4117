import { sameFamily } from './candidates.ts';
import type { Family } from './candidates.ts';

/** A candidate of which a part of the energy is expected to be lost (candidates.ts), and what that turned out to cost. */
export interface Tried {
  readonly candidate: Family;
  readonly expected: number;
  /** Rise of ln perplexity. */
  readonly rise: number;
}

/** Smaller rises are noise of the few windows that they are measured on. */
export const NOISE = 1e-3;

/**
 * The rise of ln perplexity that an expected loss of energy will cost, from what was tried before. Rises are taken to be powers of
 * losses, of one exponent for all (1 until a form and dtype was tried at two widths), times what the nearest relative costs: the
 * nearest width of the same form and dtype, else the mean of the form, of the dtype, of everything.
 * @returns null as long as nothing was tried that shows
 */
export function estimateRise(candidate: Family, expected: number, tried: readonly Tried[]): number | null {
  // What is lost in noise says that it is little, and not how little.
  const points = tried.filter(({ rise }) => rise > NOISE).map(inLogarithms);
  if (points.length === 0) return null;
  const exponent = pooledExponent(points);
  const x = Math.log(Math.max(expected, SMALLEST));
  const own = points.filter((one) => sameFamily(one.candidate, candidate));
  const [near] = own.toSorted((a, b) => Math.abs(a.x - x) - Math.abs(b.x - x));
  const relatives = [
    near ? [near] : [],
    points.filter((one) => one.candidate.form === candidate.form),
    points.filter((one) => one.candidate.cacheDtype === candidate.cacheDtype),
    points,
  ].find(({ length }) => length > 0);
  const heights = (relatives ?? points).map((point) => point.y + exponent * (x - point.x));
  return Math.exp(heights.reduce((sum, height) => sum + height, 0) / heights.length);
}

/** A loss of nothing has no logarithm. */
const SMALLEST = 1e-9;

interface Point {
  readonly candidate: Family;
  readonly x: number;
  readonly y: number;
}

function inLogarithms({ candidate, expected, rise }: Tried): Point {
  return { candidate, x: Math.log(Math.max(expected, SMALLEST)), y: Math.log(rise) };
}

/** Slope of all lines through points of the same family, least squares. */
function pooledExponent(points: readonly Point[]): number {
  let [across, along] = [0, 0];
  for (const point of points) {
    const family = points.filter((one) => sameFamily(one.candidate, point.candidate));
    const x = point.x - family.reduce((sum, one) => sum + one.x, 0) / family.length;
    const y = point.y - family.reduce((sum, one) => sum + one.y, 0) / family.length;
    across += x * y;
    along += x * x;
  }
  // Noise may turn a line round; a loss that grows costs more.
  return along > 1e-6 ? Math.min(3, Math.max(0.3, across / along)) : 1;
}

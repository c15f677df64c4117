/** Parts of the way at which the search begins: rope pairs of real layers lie about there. */
const BEGIN = [0.2, 0.4, 0.65];
/** A gain in the logarithm below this is not looked for, once both sides of the best are known so well. */
const ENOUGH = { gain: 0.005, width: 3 };
/** After so many evaluations the valley is no parabola: its wider side is halved instead. */
const PARABOLAS = 6;

/**
 * The integer from 1 to `most` of smallest value, for a positive function with one valley: parabolas through the logarithms
 * at the best point so far and its neighbours (Brent, Algorithms for Minimization without Derivatives, 1973, chapter 5), of
 * which errors over budgets are made almost exactly. Four to six evaluations where a scan of all would be dozens.
 */
export function lowestPoint(most: number, value: (at: number) => number): number {
  const known = new Map<number, number>();
  const look = (at: number): void => {
    // A value of zero has no logarithm; nothing is better.
    known.set(at, Math.log(Math.max(value(at), Number.MIN_VALUE)));
  };
  for (const part of BEGIN) {
    const at = Math.min(most, Math.max(1, Math.round(part * most)));
    if (!known.has(at)) look(at);
  }
  for (;;) {
    const tried = [...known.keys()].toSorted((a, b) => a - b);
    const best = tried.reduce((least, at) => (height(at) < height(least) ? at : least));
    const next = nextPoint(best, tried[tried.indexOf(best) - 1], tried[tried.indexOf(best) + 1]);
    if (next === null) return best;
    look(next);
  }

  function height(at: number): number {
    return known.get(at) ?? Infinity;
  }

  /** Beside the best on the side that is not known yet, or at the parabola's lowest point; null: it is found. */
  function nextPoint(best: number, left: number | undefined, right: number | undefined): number | null {
    if (left === undefined && best > 1) return Math.floor(best / 2);
    if (right === undefined && best < most) return Math.ceil((best + most) / 2);
    const low = left ?? 0;
    const high = right ?? most + 1;
    if (high - low === 2) return null;
    const inside = (at: number): number => Math.min(high - 1, Math.max(low + 1, at));
    if (left === undefined || right === undefined) return inside(left === undefined ? best + 1 : best - 1);
    if (known.size >= PARABOLAS) {
      return right - best > best - left ? Math.floor((best + right) / 2) : Math.ceil((best + left) / 2);
    }
    const { at, gain } = lowestOfParabola(best, left, right);
    const rounded = inside(Math.round(at));
    if (rounded !== best) return rounded;
    if (gain < ENOUGH.gain && high - low <= ENOUGH.width) return null;
    const side = inside(at < best ? best - 1 : best + 1);
    return side === best ? inside(at < best ? best + 1 : best - 1) : side;
  }

  function lowestOfParabola(best: number, left: number, right: number): { at: number; gain: number } {
    const [a, b] = [left - best, right - best];
    const [u, v] = [height(left) - height(best), height(right) - height(best)];
    const curve = (u * b - v * a) / (a * b * (a - b));
    const slope = (v * a * a - u * b * b) / (a * b * (a - b));
    if (!(curve > 0)) return { at: best, gain: 0 };
    return { at: best - slope / (2 * curve), gain: slope ** 2 / (4 * curve) };
  }
}

/** Places of values in the plot of speeds. */

/** A round number at or above `value`, and the step of its grid. */
export function roundTop(value: number): { readonly top: number; readonly step: number } {
  const rough = Math.max(value, 1e-6) / 4;
  const power = 10 ** Math.floor(Math.log10(rough));
  const step = ([1, 2, 2.5, 5, 10].find((factor) => factor * power >= rough) ?? 10) * power;
  return { top: Math.ceil(value / step - 1e-9) * step, step };
}

/** Contexts double from place to place. @returns 0 to 1; 0.5 where there is only one */
export function shareOf(context: number, contexts: readonly number[]): number {
  const from = Math.log2(Math.min(...contexts));
  const to = Math.log2(Math.max(...contexts));
  return to === from ? 0.5 : (Math.log2(context) - from) / (to - from);
}

/** Those of the places that have room for a label. */
export function labelled(places: readonly number[], room: number): readonly boolean[] {
  let last = -Infinity;
  return places.map((place) => {
    if (place - last < room) return false;
    last = place;
    return true;
  });
}

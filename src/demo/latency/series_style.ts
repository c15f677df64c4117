import type { CacheDtype } from '../../index.ts';
import type { RaceSetting } from '../../measure.ts';

/** What a setting looks like in all plots: colour by form (latency.css), dashes by dtype, mark by share of the cache. */
export interface SeriesStyle {
  readonly form: RaceSetting['form'];
  readonly dashes: string;
  readonly mark: 'circle' | 'square' | 'diamond';
}

const DASHES: Readonly<Record<CacheDtype, string>> = { f32: '', f16: '', int8: '7 3', int4: '2 3' };

export function styleOf({ form, cacheDtype, kvBudget }: RaceSetting): SeriesStyle {
  const share = kvBudget ?? 1;
  return {
    form,
    dashes: DASHES[cacheDtype],
    mark: share > 0.5 ? 'circle' : share > 0.3 ? 'square' : 'diamond',
  };
}

/** Path of a mark around a point. */
export function markPath({ mark }: SeriesStyle, x: number, y: number, r: number): string {
  if (mark === 'square') return `M${x - r} ${y - r}h${2 * r}v${2 * r}h${-2 * r}z`;
  if (mark === 'diamond')
    return `M${x} ${y - r * 1.3}l${r * 1.3} ${r * 1.3}l${-r * 1.3} ${r * 1.3}l${-r * 1.3} ${-r * 1.3}z`;
  return `M${x - r} ${y}a${r} ${r} 0 1 0 ${2 * r} 0a${r} ${r} 0 1 0 ${-2 * r} 0z`;
}

/** Moves places apart that are closer than `room`, as little as it takes, within [low, high]. @returns in the order given */
export function spreadApart(
  places: readonly number[],
  room: number,
  low: number,
  high: number,
): readonly number[] {
  const order = places.map((place, i) => ({ place, i })).toSorted((a, b) => a.place - b.place);
  const moved = order.map(({ place }) => place);
  for (let k = 1; k < moved.length; k++) moved[k] = Math.max(moved[k] ?? 0, (moved[k - 1] ?? 0) + room);
  let limit = high;
  for (let k = moved.length - 1; k >= 0; k--) {
    moved[k] = Math.max(low, Math.min(moved[k] ?? 0, limit));
    limit = (moved[k] ?? 0) - room;
  }
  const result = [...places];
  order.forEach(({ i }, k) => {
    result[i] = moved[k] ?? 0;
  });
  return result;
}

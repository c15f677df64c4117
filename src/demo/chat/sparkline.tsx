import type { ComponentChildren } from 'preact';

const WIDTH = 64;
const HEIGHT = 18;

/** The shape of a few numbers, for those who would rather look than read. */
export function Sparkline({ values }: { values: readonly number[] }): ComponentChildren {
  const top = Math.max(...values, 1e-9);
  const points = values.map((value, i) => {
    const x = (i / Math.max(1, values.length - 1)) * WIDTH;
    const y = HEIGHT - 1.5 - (value / top) * (HEIGHT - 3);
    return `${x.toFixed(1)},${y.toFixed(1)}`;
  });
  return (
    <svg class="sparkline" viewBox={`0 0 ${WIDTH} ${HEIGHT}`} aria-hidden="true">
      {points.length > 1 && <polyline points={points.join(' ')} />}
    </svg>
  );
}

import type { ComponentChildren } from 'preact';
import { PlotAxes } from '../plot_axes.tsx';
import { count, rate } from '../quantities.ts';
import { useElementWidth } from '../element_width.ts';
import { titleOf } from './measurement.ts';
import type { Measurement } from './measurement.ts';
import { labelled, roundTop, shareOf } from '../plot_scale.ts';

const HEIGHT = 240;
const LEFT = 44;
const RIGHT = 16;
const TOP = 12;
const BOTTOM = 40;
const LABEL_ROOM = 44;

interface SpeedPlotProps {
  readonly measurements: readonly Measurement[];
  /** In front of the others. */
  readonly shown: Measurement;
}

/** Tokens a second by context: medians as a line, every run as a dot. The table below has the same in numbers. */
export function SpeedPlot({ measurements, shown }: SpeedPlotProps): ComponentChildren {
  const [frame, width] = useElementWidth<HTMLElement>();
  const rows = measurements.flatMap(({ result }) => result.rows);
  const contexts = [...new Set(rows.map(({ context }) => context))].toSorted((a, b) => a - b);
  const fastest = Math.max(...rows.flatMap((row) => [row.decodeTokensPerSecond, ...row.runsTokensPerSecond]));
  const { top, step } = roundTop(fastest);
  const inner = Math.max(1, width - LEFT - RIGHT);
  const x = (context: number): number => LEFT + (0.04 + 0.92 * shareOf(context, contexts)) * inner;
  const y = (speed: number): number => TOP + (1 - speed / top) * (HEIGHT - TOP - BOTTOM);
  const steps = Array.from({ length: Math.round(top / step) + 1 }, (_, i) => i * step);
  const named = labelled(contexts.map(x), LABEL_ROOM);
  const ordered = [...measurements.filter((one) => one !== shown), shown];
  return (
    <figure ref={frame} class="plot">
      {width > 0 && (
        <svg
          width={width}
          height={HEIGHT}
          role="img"
          aria-label={`Tokens a second by context: ${titleOf(shown)}`}
        >
          <PlotAxes
            {...{ width, height: HEIGHT, left: LEFT, right: RIGHT, bottom: BOTTOM }}
            ticks={steps.map((speed) => ({
              at: y(speed),
              text: Number(speed.toPrecision(6)).toLocaleString('en'),
            }))}
            names={contexts.map((context, i) => ({
              at: x(context),
              text: named[i] ? count(context) : null,
            }))}
            label="tokens/s by tokens in the cache"
          />
          {ordered.map((one) => (
            <Line key={one.id} measurement={one} front={one === shown} x={x} y={y} />
          ))}
        </svg>
      )}
    </figure>
  );
}

interface LineProps {
  readonly measurement: Measurement;
  readonly front: boolean;
  readonly x: (context: number) => number;
  readonly y: (speed: number) => number;
}

function Line({ measurement, front, x, y }: LineProps): ComponentChildren {
  const { rows } = measurement.result;
  const points = rows.map((row) => `${x(row.context)},${y(row.decodeTokensPerSecond)}`);
  return (
    <g class="plot-line" data-form={measurement.settings.attention} data-front={front}>
      <polyline points={points.join(' ')} />
      {rows.map(({ context, decodeTokensPerSecond, runsTokensPerSecond }) => (
        <g key={context}>
          {runsTokensPerSecond.map((speed, i) => (
            <circle key={i} class="plot-run" cx={x(context)} cy={y(speed)} r={2.5} />
          ))}
          <circle class="plot-median" cx={x(context)} cy={y(decodeTokensPerSecond)} r={4}>
            <title>{`${titleOf(measurement)}, ${count(context)}: ${rate(decodeTokensPerSecond)} tokens/s`}</title>
          </circle>
        </g>
      ))}
    </g>
  );
}

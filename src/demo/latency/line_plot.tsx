import type { ComponentChildren } from 'preact';
import { PlotAxes } from '../plot_axes.tsx';
import type { SweepRow } from '../../measure.ts';
import { useElementWidth } from '../element_width.ts';
import { labelled, roundTop, shareOf } from '../plot_scale.ts';
import { bytes, bytesTick, count } from '../quantities.ts';
import { loses } from './latency_report.ts';
import type { Entrant } from './latency_report.ts';
import { markPath, spreadApart, styleOf } from './series_style.ts';

/** Something that every context has a figure of. */
export interface PlotKind {
  readonly id: string;
  readonly label: string;
  readonly value: (row: SweepRow) => number;
  /** What the cost model says it is; null where it says nothing. */
  readonly predicted: (row: SweepRow) => number | null;
  /** Every run of it, where there are several. */
  readonly runs: (row: SweepRow) => readonly number[];
  readonly text: (value: number) => string;
  readonly tick: (value: number) => string;
  /** Contexts double from place to place; a logarithmic height makes a straight line of what grows with them. */
  readonly scale: 'linear' | 'log';
  /** Where each setting becomes faster than GQA. */
  readonly crossovers: boolean;
}

const plain = (value: number): string => Number(value.toPrecision(6)).toLocaleString('en');

export const decodePlot: PlotKind = {
  id: 'decode',
  label: 'ms a token, by tokens in the cache',
  value: ({ decodeMs }) => decodeMs,
  predicted: ({ predictedMs }) => predictedMs,
  runs: ({ runsMs }) => runsMs,
  text: (ms) => `${ms.toFixed(2)} ms`,
  tick: plain,
  scale: 'linear',
  crossovers: true,
};

export const kvPlot: PlotKind = {
  id: 'kv',
  label: 'bytes, by tokens in the cache',
  value: ({ kvBytes }) => kvBytes,
  predicted: () => null,
  runs: () => [],
  text: bytes,
  tick: bytesTick,
  scale: 'log',
  crossovers: false,
};

const HEIGHT = 260;
const LEFT = 52;
const RIGHT = 30;
const TOP = 14;
const BOTTOM = 42;
const LABEL_ROOM = 46;
const NUMBER_ROOM = 14;

interface LinePlotProps {
  readonly entrants: readonly Entrant[];
  readonly plot: PlotKind;
}

/** Medians as lines, runs as dots, entrants by number at the right end. The tables below have the same in figures. */
export function LinePlot({ entrants, plot }: LinePlotProps): ComponentChildren {
  const [frame, width] = useElementWidth<HTMLDivElement>();
  const rows = entrants.flatMap((entrant) => entrant.rows);
  const contexts = [...new Set(rows.map(({ context }) => context))].toSorted((a, b) => a - b);
  const inner = Math.max(1, width - LEFT - RIGHT);
  const x = (context: number): number => LEFT + (0.03 + 0.94 * shareOf(context, contexts)) * inner;
  const { y, ticks } = heights(rows, plot);
  const named = labelled(contexts.map(x), LABEL_ROOM);
  const ends = entrants.map(({ rows: own }) => {
    const last = own.at(-1);
    return last ? y(plot.value(last)) : 0;
  });
  const numbers = spreadApart(ends, NUMBER_ROOM, TOP, HEIGHT - BOTTOM);
  return (
    <div ref={frame} class="plot">
      {width > 0 && (
        <svg
          width={width}
          height={HEIGHT}
          role="img"
          aria-label={describe(entrants, plot)}
          data-plot={plot.id}
        >
          <PlotAxes
            {...{ width, height: HEIGHT, left: LEFT, right: RIGHT, bottom: BOTTOM }}
            ticks={ticks.map((tick) => ({ at: y(tick), text: plot.tick(tick) }))}
            names={contexts.map((context, i) => ({
              at: x(context),
              text: named[i] ? count(context) : null,
            }))}
            label={plot.label}
          />
          {plot.crossovers && <Crossovers entrants={entrants} contexts={contexts} x={x} />}
          {entrants.map((entrant, i) => (
            <Line
              key={entrant.number}
              entrant={entrant}
              plot={plot}
              x={x}
              y={y}
              numberX={width - RIGHT + 14}
              numberY={numbers[i] ?? 0}
            />
          ))}
        </svg>
      )}
    </div>
  );
}

/** From the lowest value (log) or 0 to a round number above the highest. */
function heights(
  rows: readonly SweepRow[],
  { value, predicted, runs, scale }: PlotKind,
): { readonly y: (value: number) => number; readonly ticks: readonly number[] } {
  const values = rows.flatMap((row) => [value(row), predicted(row) ?? value(row), ...runs(row)]);
  const place = (share: number): number => TOP + (1 - share) * (HEIGHT - TOP - BOTTOM);
  if (scale === 'linear') {
    const { top, step } = roundTop(Math.max(...values));
    const ticks = Array.from({ length: Math.round(top / step) + 1 }, (_, i) => i * step);
    return { y: (one) => place(one / top), ticks };
  }
  const from = Math.floor(Math.log10(Math.min(...values)));
  const to = Math.max(from + 1, Math.ceil(Math.log10(Math.max(...values))));
  const ticks = Array.from({ length: to - from + 1 }, (_, i) => 10 ** (from + i));
  return { y: (one) => place((Math.log10(one) - from) / (to - from)), ticks };
}

interface LineProps {
  readonly entrant: Entrant;
  readonly plot: PlotKind;
  readonly x: (context: number) => number;
  readonly y: (value: number) => number;
  readonly numberX: number;
  readonly numberY: number;
}

function Line({ entrant, plot, x, y, numberX, numberY }: LineProps): ComponentChildren {
  const { rows, setting, number, name } = entrant;
  const style = styleOf(setting);
  const points = rows.map((row) => `${x(row.context)},${y(plot.value(row))}`);
  const predicted = rows.flatMap((row) => {
    const value = plot.predicted(row);
    return value === null ? [] : [`${x(row.context)},${y(value)}`];
  });
  return (
    <g class="series" data-form={style.form}>
      {predicted.length > 0 && <polyline class="series-predicted" points={predicted.join(' ')} />}
      <polyline class="series-line" points={points.join(' ')} stroke-dasharray={style.dashes} />
      {rows.map((row) => (
        <g key={row.context}>
          {plot.runs(row).map((run, i) => (
            <circle key={i} class="series-run" cx={x(row.context)} cy={y(run)} r={2} />
          ))}
          <path
            class="series-mark"
            data-loses={plot.crossovers && loses(row)}
            d={markPath(style, x(row.context), y(plot.value(row)), 3.5)}
          >
            <title>{titleOf(name, row, plot)}</title>
          </path>
        </g>
      ))}
      <text class="series-number" x={numberX} y={numberY} text-anchor="middle" dy="0.35em">
        {number}
      </text>
    </g>
  );
}

function titleOf(name: string, row: SweepRow, plot: PlotKind): string {
  const predicted = plot.predicted(row);
  return [
    `${name} at ${count(row.context)}: ${plot.text(plot.value(row))}`,
    ...(plot.crossovers && loses(row) ? ['slower than GQA f16'] : []),
    ...(predicted === null ? [] : [`predicted ${plot.text(predicted)}`]),
  ].join(', ');
}

/** A line down from each crossover, with the number of whose it is. */
function Crossovers({
  entrants,
  contexts,
  x,
}: {
  entrants: readonly Entrant[];
  contexts: readonly number[];
  x: (context: number) => number;
}): ComponentChildren {
  const found = entrants.filter(({ crossover }) => crossover?.context != null && crossover.found);
  const places = found.map(({ crossover }) => x(crossover?.context ?? contexts[0] ?? 1));
  const [low, high] = [x(contexts[0] ?? 1), x(contexts.at(-1) ?? 1)];
  const labels = spreadApart(places, NUMBER_ROOM, low, high);
  return (
    <>
      {found.map(({ number, setting, name, crossover }, i) => (
        <g key={number} class="series" data-form={setting.form}>
          <line class="series-cross" x1={places[i]} x2={places[i]} y1={TOP} y2={HEIGHT - BOTTOM}>
            <title>{`${name} is faster than GQA f16 from about ${count(crossover?.context ?? 0)} tokens on`}</title>
          </line>
          <text class="series-number" x={labels[i]} y={TOP - 4} text-anchor="middle">
            {number}
          </text>
        </g>
      ))}
    </>
  );
}

function describe(entrants: readonly Entrant[], plot: PlotKind): string {
  const parts = entrants.map(({ name, rows }) => {
    const [first, last] = [rows[0], rows.at(-1)];
    if (!first || !last) return name;
    return `${name}: ${plot.text(plot.value(first))} at ${first.context}, ${plot.text(plot.value(last))} at ${last.context}`;
  });
  return `${plot.label}. ${parts.join('; ')}`;
}

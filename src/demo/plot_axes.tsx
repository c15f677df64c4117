import type { ComponentChildren } from 'preact';

export interface PlotAxesProps {
  /** Of the svg, in its pixels. */
  readonly width: number;
  readonly height: number;
  /** Margins around what is drawn. */
  readonly left: number;
  readonly right: number;
  readonly bottom: number;
  readonly ticks: readonly { readonly at: number; readonly text: string }[];
  /** Names along the bottom; null: no room for one. */
  readonly names: readonly { readonly at: number; readonly text: string | null }[];
  /** What both axes are, in words. */
  readonly label: string;
}

/** Grid lines with their values, names along the bottom, and what is plotted against what. */
export function PlotAxes(props: PlotAxesProps): ComponentChildren {
  const { width, height, left, right, bottom, ticks, names, label } = props;
  return (
    <>
      {ticks.map(({ at, text }) => (
        <g key={text}>
          <line class="plot-grid" x1={left} x2={width - right} y1={at} y2={at} />
          <text class="plot-label" x={left - 8} y={at} text-anchor="end" dy="0.35em">
            {text}
          </text>
        </g>
      ))}
      {names.map(
        ({ at, text }) =>
          text !== null && (
            <text key={text} class="plot-label" x={at} y={height - bottom + 18} text-anchor="middle">
              {text}
            </text>
          ),
      )}
      <text class="plot-label" x={left} y={height - 4}>
        {label}
      </text>
    </>
  );
}

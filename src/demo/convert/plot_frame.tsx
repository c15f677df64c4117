import type { ComponentChildren } from 'preact';
import { useElementWidth } from '../element_width.ts';

const LEFT = 52;
const RIGHT = 16;
const TOP = 12;
const BOTTOM = 40;

export interface Tick {
  readonly value: number;
  readonly text: string;
}

/** From values to places in the picture. */
export interface Scales {
  readonly x: (value: number) => number;
  readonly y: (value: number) => number;
  /** Edges of the area that is drawn in. */
  readonly left: number;
  readonly right: number;
  readonly top: number;
  readonly bottom: number;
}

interface PlotFrameProps {
  /** What the picture shows, for those who do not see it. */
  readonly label: string;
  readonly height: number;
  /** Values at the left and right edge. */
  readonly across: readonly [number, number];
  /** Values at the lower and upper edge. */
  readonly up: readonly [number, number];
  readonly logarithmic?: boolean;
  readonly xTicks: readonly Tick[];
  readonly yTicks: readonly Tick[];
  /** What the axes are, below the picture. */
  readonly caption: string;
  readonly draw: (scales: Scales) => ComponentChildren;
}

/** Axes, grid and labels of a plot as wide as its place. */
export function PlotFrame(props: PlotFrameProps): ComponentChildren {
  const { label, height, across, up, logarithmic = false, xTicks, yTicks, caption, draw } = props;
  const [frame, width] = useElementWidth<HTMLElement>();
  const [left, right, top, bottom] = [LEFT, Math.max(LEFT + 1, width - RIGHT), TOP, height - BOTTOM];
  const bend = logarithmic ? Math.log : (value: number): number => value;
  const [low, high] = [bend(up[0]), bend(up[1])];
  const scales: Scales = {
    x: (value) => left + ((value - across[0]) / (across[1] - across[0] || 1)) * (right - left),
    y: (value) => {
      const share = (bend(Math.max(value, logarithmic ? Number.MIN_VALUE : value)) - low) / (high - low || 1);
      return bottom - Math.min(1, Math.max(0, share)) * (bottom - top);
    },
    left,
    right,
    top,
    bottom,
  };
  return (
    <figure ref={frame} class="plot">
      {width > 0 && (
        <svg width={width} height={height} role="img" aria-label={label}>
          {yTicks.map(({ value, text }) => (
            <g key={value}>
              <line class="plot-grid" x1={left} x2={right} y1={scales.y(value)} y2={scales.y(value)} />
              <text class="plot-label" x={left - 8} y={scales.y(value)} text-anchor="end" dy="0.35em">
                {text}
              </text>
            </g>
          ))}
          {xTicks.map(({ value, text }) => (
            <text key={value} class="plot-label" x={scales.x(value)} y={bottom + 18} text-anchor="middle">
              {text}
            </text>
          ))}
          <text class="plot-label" x={left} y={height - 4}>
            {caption}
          </text>
          {draw(scales)}
        </svg>
      )}
    </figure>
  );
}

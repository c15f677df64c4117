import type { ComponentChildren } from 'preact';
import { useElementWidth } from '../element_width.ts';
import { roundTop } from '../plot_scale.ts';
import { bytes, bytesTick } from '../quantities.ts';
import type { Entrant } from './latency_report.ts';
import { markPath, styleOf } from './series_style.ts';

const HEIGHT = 260;
const LEFT = 44;
const RIGHT = 24;
const TOP = 14;
const BOTTOM = 42;

/** Every setting as a point: what a token of context takes, and how far the model is from itself. Left and low is good. */
export function QualityPlot({ entrants }: { entrants: readonly Entrant[] }): ComponentChildren {
  const [frame, width] = useElementWidth<HTMLDivElement>();
  const judged = entrants.flatMap(({ quality, ...rest }) => (quality ? [{ ...rest, quality }] : []));
  const across = roundTop(Math.max(...judged.map(({ quality }) => quality.kvBytesPerToken)));
  const up = roundTop(Math.max(0.01, ...judged.map(({ quality }) => quality.kl)));
  const inner = Math.max(1, width - LEFT - RIGHT);
  const x = (value: number): number => LEFT + (value / across.top) * inner;
  const y = (value: number): number => TOP + (1 - value / up.top) * (HEIGHT - TOP - BOTTOM);
  const steps = ({ top, step }: typeof up): number[] =>
    Array.from({ length: Math.round(top / step) + 1 }, (_, i) => i * step);
  const label = `KL against the original by bytes a token. ${judged
    .map(({ name, quality }) => `${name}: ${quality.kl.toFixed(3)} at ${bytes(quality.kvBytesPerToken)}`)
    .join('; ')}`;
  return (
    <div ref={frame} class="plot">
      {width > 0 && (
        <svg width={width} height={HEIGHT} role="img" aria-label={label} data-plot="quality">
          {steps(up).map((tick) => (
            <g key={tick}>
              <line class="plot-grid" x1={LEFT} x2={width - RIGHT} y1={y(tick)} y2={y(tick)} />
              <text class="plot-label" x={LEFT - 8} y={y(tick)} text-anchor="end" dy="0.35em">
                {Number(tick.toPrecision(6)).toLocaleString('en')}
              </text>
            </g>
          ))}
          {steps(across).map((tick) => (
            <text key={tick} class="plot-label" x={x(tick)} y={HEIGHT - BOTTOM + 18} text-anchor="middle">
              {bytesTick(tick)}
            </text>
          ))}
          <text class="plot-label" x={LEFT} y={HEIGHT - 4}>
            KL against the original (nats a token), by bytes a token
          </text>
          {judged.map(({ number, name, setting, quality }) => {
            const style = styleOf(setting);
            const [px, py] = [x(quality.kvBytesPerToken), y(quality.kl)];
            return (
              <g key={number} class="series" data-form={style.form}>
                <path class="series-mark" d={markPath(style, px, py, 5)}>
                  <title>{`${name}: KL ${quality.kl.toFixed(3)}, perplexity ${quality.perplexity.toPrecision(4)}, ${bytes(quality.kvBytesPerToken)} a token`}</title>
                </path>
                <text class="series-number" x={px + 12} y={py - 8} text-anchor="middle" dy="0.35em">
                  {number}
                </text>
              </g>
            );
          })}
        </svg>
      )}
    </div>
  );
}

import type { ComponentChildren } from 'preact';
import { roundTop } from '../plot_scale.ts';
import { bytes } from '../quantities.ts';
import { titleOf } from './conversion_record.ts';
import type { ConversionRecord } from './conversion_record.ts';
import { PlotFrame } from './plot_frame.tsx';
import { steps } from './ticks.ts';

const HEIGHT = 220;

interface MeasuredPlotProps {
  readonly records: readonly ConversionRecord[];
  readonly shown: ConversionRecord;
}

/** Measured rise of ln perplexity by bytes, once there are two to compare. */
export function MeasuredPlot({ records, shown }: MeasuredPlotProps): ComponentChildren {
  const same = records.flatMap((record) => {
    const { quality } = record.conversion;
    return quality && record.subject.name === shown.subject.name
      ? [{ record, rise: quality.rise, bytes: record.conversion.kvBytesPerToken }]
      : [];
  });
  if (same.length < 2) return null;
  const high = Math.max(shown.subject.gqaBytes.f16, ...same.map((one) => one.bytes));
  const { top } = roundTop(Math.max(0.01, ...same.map(({ rise }) => rise)));
  const bottom = Math.min(0, ...same.map(({ rise }) => rise));
  const said = same.map((one) => `${titleOf(one.record)} ${one.rise.toFixed(3)}`).join('; ');
  return (
    <PlotFrame
      label={`Measured rise of ln perplexity by bytes of cache a token: ${said}.`}
      height={HEIGHT}
      across={[0, high]}
      up={[bottom, top]}
      xTicks={steps(high, bytes).slice(1)}
      yTicks={steps(top, (value) => String(value))}
      caption="measured rise of ln perplexity by bytes of cache a token"
      draw={({ x, y }) => (
        <>
          {same.map(({ record, rise, bytes: size }) => (
            <circle
              key={record.id}
              class={record === shown ? 'curve-chosen' : 'measured-point'}
              cx={x(size)}
              cy={y(rise)}
              r={5}
            >
              <title>{`${titleOf(record)}: ${rise.toFixed(3)}`}</title>
            </circle>
          ))}
        </>
      )}
    />
  );
}

import { useSignal } from '@preact/signals';
import type { ComponentChildren } from 'preact';
import type { LayerReport } from '../../conversion.ts';
import { count } from '../quantities.ts';
import { PlotFrame } from './plot_frame.tsx';
import type { Scales } from './plot_frame.tsx';
import { decades, powerOfTen, smallShare, steps } from './ticks.ts';

const HEIGHT = 220;
/** Eigenvalues below this share of the largest are noise. */
const LEAST = 1e-8;

/** Eigenvalues of a layer's low-rank step: what the cache holds of it, and what is left out. */
export function SpectrumPlot({ reports }: { reports: readonly LayerReport[] }): ComponentChildren {
  const layer = useSignal(0);
  const shown = reports.filter(({ spectrum }) => spectrum !== null);
  const report = shown.find((one) => one.layer === layer.value) ?? shown[0];
  if (!report?.spectrum) return null;
  const { kept, dropped } = report.spectrum;
  const last = Math.max(1, shown.length - 1);
  return (
    <section aria-labelledby="spectrum-title">
      <div class="block-head">
        <h2 id="spectrum-title">Spectrum of layer {report.layer}</h2>
        {shown.length > 1 && (
          <input
            type="range"
            class="slider layer-slider"
            aria-label="Layer"
            min={0}
            max={last}
            step={1}
            value={shown.indexOf(report)}
            aria-valuetext={`layer ${report.layer}`}
            style={{ '--share': shown.indexOf(report) / last }}
            onInput={({ currentTarget }) => {
              layer.value = shown[currentTarget.valueAsNumber]?.layer ?? 0;
            }}
          />
        )}
      </div>
      <Values kept={kept} dropped={dropped} layer={report.layer} />
    </section>
  );
}

interface ValuesProps {
  readonly kept: readonly number[];
  readonly dropped: readonly number[];
  readonly layer: number;
}

function Values({ kept, dropped, layer }: ValuesProps): ComponentChildren {
  const values = [...kept, ...dropped];
  const largest = Math.max(...values, Number.MIN_VALUE);
  const sum = values.reduce((total, value) => total + value, 0);
  const lost = sum > 0 ? dropped.reduce((total, value) => total + value, 0) / sum : 0;
  const smallest = Math.min(1, ...values.map((value) => value / largest).filter((value) => value > LEAST));
  // What follows is noise, and would only squeeze the rest.
  const shown = Math.max(kept.length, values.filter((value) => value / largest > LEAST).length);
  const low = 10 ** Math.floor(Math.log10(smallest) + 1e-9);
  const label = `Eigenvalues of layer ${layer}, largest first: ${count(kept.length)} kept, ${count(dropped.length)} left out, which hold ${smallShare(lost)} of the sum.`;
  return (
    <>
      <PlotFrame
        label={label}
        height={HEIGHT}
        across={[0, shown]}
        up={[low, 1]}
        logarithmic
        xTicks={steps(shown, count)}
        yTicks={decades(low, 1, 5, powerOfTen)}
        caption="eigenvalues, as a share of the largest, by their rank"
        draw={(scales) => (
          <>
            <path class="spectrum-kept" d={area(scales, 0, kept.length)} />
            <path class="spectrum-dropped" d={area(scales, kept.length, shown)} />
            {dropped.length > 0 && (
              <line
                class="curve-cut"
                x1={scales.x(kept.length)}
                x2={scales.x(kept.length)}
                y1={scales.top}
                y2={scales.bottom}
              />
            )}
          </>
        )}
      />
      <p class="faint spectrum-legend">
        <span class="legend-kept">{count(kept.length)} kept</span>
        <span class="legend-dropped">
          {count(dropped.length)} left out, {smallShare(lost)} of the sum
        </span>
      </p>
    </>
  );

  /** The steps of values `from` up to `to`, closed at the bottom. */
  function area({ x, y, bottom }: Scales, from: number, to: number): string {
    const stairs = values.slice(from, to).map((value, i) => {
      const height = y(value / largest);
      return `L${x(from + i)} ${height}H${x(from + i + 1)}`;
    });
    return to > from ? `M${x(from)} ${bottom}${stairs.join('')}V${bottom}Z` : '';
  }
}

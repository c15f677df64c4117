import type { ComponentChildren } from 'preact';
import type { Subject } from '../../conversion.ts';
import { bytes, count } from '../quantities.ts';
import { percentOf } from './conversion_record.ts';
import type { ConvertSession } from './convert_session.ts';
import { errorAt, placedCurve } from './curve.ts';
import type { PlacedPoint } from './curve.ts';
import { PlotFrame } from './plot_frame.tsx';
import type { Scales } from './plot_frame.tsx';
import { decades, smallShare, steps } from './ticks.ts';

const HEIGHT = 250;
/** Below this share nobody sees a difference. */
const LEAST = 1e-4;
/** Statistics of fewer tokens promise too much. */
const SURE_TOKENS = 8192;

/** What every budget is expected to cost, and where the one at hand lies. */
export function Prediction({ session }: { session: ConvertSession }): ComponentChildren {
  const curve = session.curve.value;
  const subject = session.subject.value;
  const { form, method, cacheDtype } = session.settings.value;
  const plan = session.plan.value;
  if (!subject || !session.calibrated.value || method !== 'webmla') return null;
  if (curve?.form !== form) {
    // It may be on its way.
    if (session.state.value.kind === 'running') return null;
    return (
      <section aria-labelledby="prediction-title">
        <Head />
        <p class="faint">
          {curve ? `This was predicted for the form ${curve.form}. ` : 'This was not predicted yet. '}
          <button type="button" class="link" onClick={() => void session.run('calibrate')}>
            Predict it for {form}
          </button>
        </p>
      </section>
    );
  }
  const tokens = session.calibration.value?.tokens ?? 0;
  const points = placedCurve(curve, subject, cacheDtype);
  const error = plan && errorAt(points, plan.bytes);
  return (
    <section aria-labelledby="prediction-title">
      <Head />
      {plan && (
        <p class="prediction-text">
          {percentOf(plan.share)} of the cache, <strong>{bytes(plan.bytes)}</strong> a token
          {error !== null && (
            <>
              : {error < 1e-4 ? 'less than' : 'about'} <strong>{smallShare(Math.max(error, 1e-4))}</strong> of
              what attention gives out is lost
            </>
          )}
          .
        </p>
      )}
      <CurvePlot
        points={points}
        subject={subject}
        chosen={plan && error !== null ? { bytes: plan.bytes, error } : null}
      />
      <p class="faint">
        Expected squared error of the attention outputs, as a share of their variance, mean of the layers;
        from the spectra of three budgets.
        {tokens < SURE_TOKENS && ` Of ${count(tokens)} tokens only: text that is unlike them costs more.`}
        {cacheDtype.startsWith('int') && ' What rounding to few bits costs comes on top.'} The refit, and the
        layers after, make up for part of it: what it means for the text is measured after a conversion.
      </p>
    </section>
  );
}

function Head(): ComponentChildren {
  return (
    <div class="block-head">
      <h2 id="prediction-title">What a budget costs</h2>
    </div>
  );
}

interface CurvePlotProps {
  readonly points: readonly PlacedPoint[];
  readonly subject: Subject;
  readonly chosen: PlacedPoint | null;
}

function CurvePlot({ points, subject, chosen }: CurvePlotProps): ComponentChildren {
  const { gqaBytes } = subject;
  const high = Math.max(gqaBytes.f16, chosen?.bytes ?? 0);
  const drawn = points.filter((point) => point.bytes <= high * 1.001);
  const lowest = Math.max(LEAST, Math.min(...drawn.map(({ error }) => error).filter((error) => error > 0)));
  const low = 10 ** Math.floor(Math.log10(lowest) + 1e-9);
  const label = chosen
    ? `Predicted error by bytes of cache a token. At ${bytes(chosen.bytes)}: ${smallShare(chosen.error)}.`
    : 'Predicted error by bytes of cache a token.';
  const marks = (['int4', 'int8', 'f16'] as const).map((name) => ({ name, at: gqaBytes[name] }));
  return (
    <PlotFrame
      label={label}
      height={HEIGHT}
      across={[0, high]}
      up={[low, 1]}
      logarithmic
      xTicks={steps(high, bytes).slice(1)}
      yTicks={decades(low, 1, 5, smallShare)}
      caption="predicted error by bytes of cache a token"
      draw={(scales) => (
        <>
          {marks.map(({ name, at }) => at <= high && <Mark key={name} name={name} at={at} scales={scales} />)}
          <polyline
            class="curve-line"
            points={drawn.map((point) => `${scales.x(point.bytes)},${scales.y(point.error)}`).join(' ')}
          />
          {chosen && (
            <>
              <line
                class="curve-cut"
                x1={scales.x(chosen.bytes)}
                x2={scales.x(chosen.bytes)}
                y1={scales.y(chosen.error)}
                y2={scales.bottom}
              />
              <circle class="curve-chosen" cx={scales.x(chosen.bytes)} cy={scales.y(chosen.error)} r={5} />
            </>
          )}
        </>
      )}
    />
  );
}

/** What the model's own keys and values would take in this dtype. */
function Mark({ name, at, scales }: { name: string; at: number; scales: Scales }): ComponentChildren {
  const x = scales.x(at);
  return (
    <g>
      <line class="curve-mark" x1={x} x2={x} y1={scales.top} y2={scales.bottom} />
      <text class="plot-label" x={x - 5} y={scales.top + 8} text-anchor="end">
        GQA {name}
      </text>
    </g>
  );
}

import type { ComponentChildren } from 'preact';
import { Icon } from '../icons.tsx';
import { bytes, count, duration, plural } from '../quantities.ts';
import { percentOf, titleOf } from './conversion_record.ts';
import type { ConversionRecord } from './conversion_record.ts';
import type { ConvertSession } from './convert_session.ts';
import { LayerTable } from './layer_table.tsx';
import { MeasuredPlot } from './measured_plot.tsx';
import { SpectrumPlot } from './spectrum_plot.tsx';
import { STAGE_NAMES } from './stage_tracker.ts';
import { TakeAway } from './take_away.tsx';

/** All conversions of this visit, and one of them in detail. */
export function Results({ session }: { session: ConvertSession }): ComponentChildren {
  const all = session.records.value;
  const shown = all.find(({ id }) => id === session.chosen.value) ?? all.at(-1);
  if (!shown) return null;
  const files = session.files.value;
  return (
    <>
      <section aria-labelledby="result-title">
        <div class="block-head">
          <h2 id="result-title">Result</h2>
        </div>
        <Records session={session} shown={shown} />
        <QualityTable record={shown} />
        <MeasuredPlot records={all} shown={shown} />
        {files?.id === shown.id ? (
          <TakeAway key={shown.id} record={shown} files={files.files} session={session} />
        ) : (
          <p class="faint">
            Its files are not held any more: a page keeps those of the last conversion only. Convert it again
            to use it.
          </p>
        )}
      </section>
      <SpectrumPlot key={`spectrum-${shown.id}`} reports={shown.conversion.reports} />
      <LayerTable conversion={shown.conversion} />
      <Stages record={shown} />
    </>
  );
}

function Records({
  session,
  shown,
}: {
  session: ConvertSession;
  shown: ConversionRecord;
}): ComponentChildren {
  return (
    <ul class="runs" aria-label="Conversions">
      {session.records.value.map((one) => (
        <li key={one.id} class="run" data-form="mla">
          <label>
            <input
              type="radio"
              name="record"
              checked={one.id === shown.id}
              onChange={() => {
                session.chosen.value = one.id;
              }}
            />
            <span class="run-title">{titleOf(one)}</span>
          </label>
          <button
            type="button"
            class="icon-button"
            aria-label={`Remove ${titleOf(one)}`}
            title="Remove"
            onClick={() => session.forget(one.id)}
          >
            <Icon name="close" />
          </button>
        </li>
      ))}
    </ul>
  );
}

function QualityTable({ record: { conversion, subject } }: { record: ConversionRecord }): ComponentChildren {
  const { kvBytesPerToken, quality } = conversion;
  const whole = subject.gqaBytes.f16;
  const saved = 1 - kvBytesPerToken / whole;
  const rows: readonly (readonly [string, string, ComponentChildren])[] = [
    [
      'Cache a token',
      bytes(whole),
      <>
        {bytes(kvBytesPerToken)}
        {saved > 0 && <span class="saved"> −{percentOf(saved)}</span>}
      </>,
    ],
    ...(quality
      ? ([
          ['Perplexity', perplexityText(quality.originalPerplexity), perplexityText(quality.perplexity)],
          ['Rise of ln perplexity', '–', signed(quality.rise)],
          ['KL to the original, nats', '–', quality.kl.toFixed(3)],
          ['Same likeliest token', '–', percentOf(quality.top1Agreement)],
        ] as const)
      : []),
  ];
  return (
    <>
      <table class="figures quality">
        <thead>
          <tr>
            <td />
            <th scope="col">Original, GQA</th>
            <th scope="col">Converted</th>
          </tr>
        </thead>
        <tbody>
          {rows.map(([name, original, converted]) => (
            <tr key={name}>
              <th scope="row">{name}</th>
              <td>{original}</td>
              <td>{converted}</td>
            </tr>
          ))}
        </tbody>
      </table>
      <p class="faint convert-facts">
        {quality
          ? `Measured on ${plural(quality.tokens, 'token')} in ${plural(quality.windows, 'row')} that the calibration did not see${quality.tokens < SURE_TOKENS ? ': few, so take it as a hint' : ''}. The original ran with an f32 cache.`
          : 'Not measured: there was no text.'}
      </p>
    </>
  );
}

/** Below this, perplexity moves by a tenth from one text to the next. */
const SURE_TOKENS = 4000;

function perplexityText(value: number): string {
  return value < 1000 ? value.toFixed(2) : count(value);
}

function signed(value: number): string {
  return `${value < 0 ? '−' : '+'}${Math.abs(value).toFixed(3)}`;
}

function Stages({ record: { stages, conversion } }: { record: ConversionRecord }): ComponentChildren {
  return (
    <section aria-labelledby="stages-title">
      <div class="block-head">
        <h2 id="stages-title">Time and memory</h2>
      </div>
      <table class="figures figures-narrow">
        <thead>
          <tr>
            <th scope="col">Stage</th>
            <th scope="col">Time</th>
            <th scope="col">GPU buffers, at most</th>
          </tr>
        </thead>
        <tbody>
          {stages.map(({ stage, ms, gpuBytes }) => (
            <tr key={stage}>
              <th scope="row">{STAGE_NAMES[stage]}</th>
              <td>{duration(ms)}</td>
              <td>{gpuBytes === 0 ? '–' : bytes(gpuBytes)}</td>
            </tr>
          ))}
        </tbody>
      </table>
      <p class="faint convert-facts">
        {duration(conversion.timings.algebraMs)} of algebra, over all threads;{' '}
        {conversion.calibrationTokens > 0
          ? `calibrated on ${count(conversion.calibrationTokens)} tokens.`
          : 'nothing was calibrated.'}
      </p>
    </section>
  );
}

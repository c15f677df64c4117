import type { ComponentChildren } from 'preact';
import { CopyButton } from '../copy_button.tsx';
import { Icon } from '../icons.tsx';
import { bytes, count, percent, rate } from '../quantities.ts';
import type { BenchSession } from './bench_session.ts';
import { markdownOf, titleOf } from './measurement.ts';
import type { Measurement } from './measurement.ts';
import { SpeedPlot } from './speed_plot.tsx';
import { TokenTime } from './token_time.tsx';

/** All measurements of this visit in one plot, and one of them in detail. */
export function Results({ session }: { session: BenchSession }): ComponentChildren {
  const all = session.measurements.value;
  const shown = all.find(({ id }) => id === session.chosen.value) ?? all.at(-1);
  if (!shown) return null;
  const { rows, prefill } = shown.result;
  return (
    <>
      <section aria-labelledby="decode-title">
        <div class="block-head">
          <h2 id="decode-title">Decoding</h2>
          <Copies session={session} measurement={shown} />
        </div>
        <Runs session={session} shown={shown} />
        {rows.length > 0 && <SpeedPlot measurements={all} shown={shown} />}
        {rows.length > 0 && <DecodeTable measurement={shown} />}
      </section>
      {rows.length > 0 && <TokenTime key={shown.id} result={shown.result} />}
      {prefill.length > 0 && (
        <section aria-labelledby="prefill-title">
          <div class="block-head">
            <h2 id="prefill-title">Prefill</h2>
          </div>
          <table class="figures figures-narrow">
            <thead>
              <tr>
                <th scope="col">Prompt</th>
                <th scope="col">Tokens/s</th>
                <th scope="col">Time</th>
              </tr>
            </thead>
            <tbody>
              {prefill.map(({ tokens, tokensPerSecond }) => (
                <tr key={tokens}>
                  <th scope="row">{count(tokens)}</th>
                  <td>{rate(tokensPerSecond)}</td>
                  <td>{count((tokens * 1000) / tokensPerSecond)} ms</td>
                </tr>
              ))}
            </tbody>
          </table>
        </section>
      )}
    </>
  );
}

interface ShownProps {
  readonly session: BenchSession;
  readonly shown: Measurement;
}

/** Which of the measurements is shown; what their lines in the plot look like. */
function Runs({ session, shown }: ShownProps): ComponentChildren {
  return (
    <ul class="runs" aria-label="Measurements">
      {session.measurements.value.map((one) => (
        <li key={one.id} class="run" data-form={one.settings.attention}>
          <label>
            <input
              type="radio"
              name="run"
              checked={one.id === shown.id}
              onChange={() => {
                session.chosen.value = one.id;
              }}
            />
            <span class="run-title">{titleOf(one)}</span>
            {!one.complete && <span class="faint">incomplete</span>}
          </label>
          {one.complete && (
            <button
              type="button"
              class="icon-button"
              aria-label={`Remove ${titleOf(one)}`}
              title="Remove"
              onClick={() => session.forget(one.id)}
            >
              <Icon name="close" />
            </button>
          )}
        </li>
      ))}
    </ul>
  );
}

function Copies({
  session,
  measurement,
}: {
  session: BenchSession;
  measurement: Measurement;
}): ComponentChildren {
  const announce = (said: string): void => {
    session.spoken.value = said;
  };
  return (
    <div class="actions">
      <CopyButton wide label="Copy Markdown" text={markdownOf(measurement)} announce={announce} />
      <CopyButton
        wide
        label="Copy JSON"
        text={JSON.stringify(measurement.result, null, 2)}
        announce={announce}
      />
    </div>
  );
}

function DecodeTable({ measurement }: { measurement: Measurement }): ComponentChildren {
  const { rows } = measurement.result;
  const [first] = rows;
  return (
    <>
      <div class="table-scroll">
        <table class="figures">
          <thead>
            <tr>
              <th scope="col">Context</th>
              <th scope="col">Tokens/s</th>
              <th scope="col">Spread</th>
              <th scope="col">GPU, a token</th>
              <th scope="col">of it attention</th>
            </tr>
          </thead>
          <tbody>
            {rows.map((row) => (
              <tr key={row.context}>
                <th scope="row">{count(row.context)}</th>
                <td>{rate(row.decodeTokensPerSecond)}</td>
                <td>{percent(row.spread)}</td>
                <td>{row.tokenMs === null ? '–' : `${row.tokenMs.toFixed(2)} ms`}</td>
                <td>{row.attentionMs === null ? '–' : `${row.attentionMs.toFixed(2)} ms`}</td>
              </tr>
            ))}
          </tbody>
        </table>
      </div>
      {first && (
        <p class="faint bench-facts">
          {count(first.dispatchesPerToken)} dispatches and {bytes(first.weightBytesPerToken)} of weights a
          token; {bytes(first.kvBytesPerToken)} of cache for each token of context.
        </p>
      )}
    </>
  );
}

import type { ComponentChildren } from 'preact';
import { bytes, count, duration, percent } from '../quantities.ts';
import { Exports } from './exports.tsx';
import { entrantsOf, factor, gainOf, loses, secondsText, verdictOf } from './latency_report.ts';
import type { Entrant, LatencyReport } from './latency_report.ts';
import type { LatencySession } from './latency_session.ts';
import { Legend } from './legend.tsx';
import { decodePlot, kvPlot, LinePlot } from './line_plot.tsx';
import { QualityPlot } from './quality_plot.tsx';

interface ResultsProps {
  readonly session: LatencySession;
  readonly report: LatencyReport;
}

/** What the sweep found: the answer first, then the plots, then all figures. */
export function SweepResults({ session, report }: ResultsProps): ComponentChildren {
  const entrants = entrantsOf(report);
  const verdict = verdictOf(report);
  const filled =
    report.rows[0]?.filled === 'real' ? 'filled with real text' : 'synthetic: its rows are zeros';
  return (
    <div class="results">
      {verdict !== null && (
        <p class="verdict">
          {verdict}
          {report.software && ' (Software: says nothing about a GPU.)'}
        </p>
      )}
      <Legend entrants={entrants} />
      <div class="plots">
        <figure>
          <figcaption>Time of a token</figcaption>
          <LinePlot entrants={entrants} plot={decodePlot} />
          <p class="faint">
            Hollow marks: slower than GQA f16 there.
            {report.streamingGBs !== null &&
              ' Thin lines: what the cost model predicts from bytes and dispatches, given one time, that of GQA f16 at the shortest context.'}
          </p>
        </figure>
        <figure>
          <figcaption>KV cache</figcaption>
          <LinePlot entrants={entrants} plot={kvPlot} />
        </figure>
        {report.quality.length > 0 && (
          <figure>
            <figcaption>Quality against bytes</figcaption>
            <QualityPlot entrants={entrants} />
          </figure>
        )}
      </div>
      <Notes report={report} filled={filled} />
      <Exports session={session} report={report} />
      <Overview entrants={entrants} />
      <Contexts entrants={entrants} streamed={report.streamingGBs !== null} />
      <Memory entrants={entrants} modelContext={report.modelContext} />
    </div>
  );
}

function Notes({ report, filled }: { report: LatencyReport; filled: string }): ComponentChildren {
  const { notes, complete, calibrationTokens } = report;
  const most = Math.max(...report.rows.map(({ runsMs }) => runsMs.length));
  return (
    <>
      <p class="faint">
        Medians of up to {most} runs, in turns with GQA f16, fewer where the first agree, warm-up left out;
        every run is a dot. The context is {filled}.{' '}
        {calibrationTokens !== null && `Conversions were calibrated on ${count(calibrationTokens)} tokens. `}
        {!complete && 'The sweep is not complete.'}
      </p>
      <p class="faint">It took {secondsText(report)}.</p>
      {notes.length > 0 && (
        <details class="note sweep-notes" open={notes.length < 4}>
          <summary>{notes.length === 1 ? 'One thing to know' : `${notes.length} things to know`}</summary>
          <ul>
            {notes.map((note) => (
              <li key={note}>{note}</li>
            ))}
          </ul>
        </details>
      )}
    </>
  );
}

function Name({ entrant }: { entrant: Entrant }): ComponentChildren {
  return (
    <th scope="row">
      <span class="number">{entrant.number}</span> {entrant.name}
    </th>
  );
}

/** One line an entrant: where it wins, by how much, and what it costs. */
function Overview({ entrants }: { entrants: readonly Entrant[] }): ComponentChildren {
  const judged = entrants.some(({ quality }) => quality !== null);
  const base = entrants[0]?.memory?.kvBytesPerToken ?? NaN;
  return (
    <Table title="Each against GQA f16">
      <thead>
        <tr>
          <th scope="col">Setting</th>
          <th scope="col">Share</th>
          <th scope="col">Faster from</th>
          <th scope="col">Predicted</th>
          <th scope="col">At the longest</th>
          <th scope="col">At the shortest</th>
          {judged && <th scope="col">Perplexity</th>}
          {judged && <th scope="col">KL</th>}
          <th scope="col">Cache a token</th>
          <th scope="col">Prefill</th>
        </tr>
      </thead>
      <tbody>
        {entrants.map((entrant) => {
          const { rows, crossover, quality, memory, prefill } = entrant;
          const gains = [gainOf(rows.at(-1)), gainOf(rows[0])];
          return (
            <tr key={entrant.number}>
              <Name entrant={entrant} />
              <td>{memory ? percent(memory.kvBytesPerToken / base) : '–'}</td>
              <td>{crossoverText(crossover)}</td>
              <td>{predictedText(crossover)}</td>
              {gains.map((gain, i) => (
                <td key={i} data-loses={gain !== null && gain < 1}>
                  {gain === null ? '–' : factor(gain)}
                </td>
              ))}
              {judged && <td>{quality ? quality.perplexity.toPrecision(4) : '–'}</td>}
              {judged && <td>{quality ? quality.kl.toFixed(3) : '–'}</td>}
              <td>{memory ? bytes(memory.kvBytesPerToken) : '–'}</td>
              <td>{prefill ? `${duration(prefill.ms)} for ${count(prefill.tokens)}` : '–'}</td>
            </tr>
          );
        })}
      </tbody>
    </Table>
  );
}

function crossoverText(crossover: Entrant['crossover']): string {
  if (!crossover) return '–';
  if (crossover.context === null) return 'nowhere here';
  return crossover.found ? count(crossover.context) : `${count(crossover.context)} or before`;
}

function predictedText(crossover: Entrant['crossover']): string {
  if (crossover?.predicted == null) return '–';
  return crossover.predicted <= 1 ? 'everywhere' : count(crossover.predicted);
}

function Contexts({
  entrants,
  streamed,
}: {
  entrants: readonly Entrant[];
  streamed: boolean;
}): ComponentChildren {
  return (
    <Table title="Every context">
      <thead>
        <tr>
          <th scope="col">Setting</th>
          <th scope="col">Context</th>
          <th scope="col">Time a token</th>
          {streamed && <th scope="col">Predicted</th>}
          <th scope="col">Spread</th>
          <th scope="col">KV cache</th>
          <th scope="col">Read a token</th>
          <th scope="col">Dispatches</th>
          {streamed && <th scope="col">Of the limit</th>}
        </tr>
      </thead>
      <tbody>
        {entrants.flatMap((entrant) =>
          entrant.rows.map((row) => (
            <tr key={`${entrant.number} ${row.context}`}>
              <Name entrant={entrant} />
              <td>{count(row.context)}</td>
              <td data-loses={loses(row)}>{row.decodeMs.toFixed(2)} ms</td>
              {streamed && <td>{row.predictedMs === null ? '–' : `${row.predictedMs.toFixed(2)} ms`}</td>}
              <td>{percent(row.spread)}</td>
              <td>{bytes(row.kvBytes)}</td>
              <td>{bytes(row.weightBytesPerToken + row.kvBytes)}</td>
              <td>{count(row.dispatchesPerToken)}</td>
              {streamed && <td>{row.streamingShare === null ? '–' : percent(row.streamingShare)}</td>}
            </tr>
          )),
        )}
      </tbody>
    </Table>
  );
}

function Memory({
  entrants,
  modelContext,
}: {
  entrants: readonly Entrant[];
  modelContext: number;
}): ComponentChildren {
  return (
    <>
      <Table title="Memory of long contexts">
        <thead>
          <tr>
            <th scope="col">Setting</th>
            <th scope="col">At 32k</th>
            <th scope="col">At 128k</th>
            <th scope="col">Longest that fits here</th>
          </tr>
        </thead>
        <tbody>
          {entrants.map((entrant) => {
            const { memory } = entrant;
            return (
              <tr key={entrant.number}>
                <Name entrant={entrant} />
                <td>{memory ? bytes(memory.bytesAt32k) : '–'}</td>
                <td>{memory ? bytes(memory.bytesAt128k) : '–'}</td>
                <td>{memory ? `${count(memory.longestByLimit)} tokens` : '–'}</td>
              </tr>
            );
          })}
        </tbody>
      </Table>
      <p class="faint">
        What fits follows from this device’s limit of one buffer, which holds the cache of one layer; browsers
        do not tell how much memory there is in all. The model was trained for {count(modelContext)} tokens.
      </p>
    </>
  );
}

/** A table that scrolls by itself; with the keyboard too. */
function Table({ title, children }: { title: string; children: ComponentChildren }): ComponentChildren {
  return (
    <section class="result-table">
      <h3>{title}</h3>
      {/* oxlint-disable-next-line jsx-a11y/no-noninteractive-tabindex -- scrolls with the arrow keys */}
      <div class="table-scroll" role="region" aria-label={title} tabIndex={0}>
        <table class="figures">{children}</table>
      </div>
    </section>
  );
}

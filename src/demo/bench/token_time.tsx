import { useSignal } from '@preact/signals';
import type { ComponentChildren } from 'preact';
import type { BenchResult, BenchRow } from '../../measure.ts';
import { count, percent, rate } from '../quantities.ts';

/** Where the time of a token goes: operations by their time, each held against what the memory can stream. */
export function TokenTime({ result }: { result: BenchResult }): ComponentChildren {
  const { rows, streamingGBs } = result;
  const context = useSignal(rows[0]?.context ?? 0);
  const row = rows.find((one) => one.context === context.value) ?? rows[0];
  if (!row) return null;
  return (
    <section aria-labelledby="time-title">
      <div class="block-head">
        <h2 id="time-title">Where the time of a token goes</h2>
        {rows.length > 1 && row.operations.length > 0 && (
          <fieldset class="segments">
            <legend class="unseen">Context</legend>
            {rows.map((one) => (
              <label key={one.context}>
                <input
                  type="radio"
                  name="time-context"
                  checked={one === row}
                  onChange={() => {
                    context.value = one.context;
                  }}
                />
                {count(one.context)}
              </label>
            ))}
          </fieldset>
        )}
      </div>
      {row.operations.length > 0 ? (
        <Operations row={row} streamingGBs={streamingGBs} />
      ) : (
        <p class="faint">
          This browser gives no GPU timestamps (<code>timestamp-query</code>), so only whole tokens can be
          timed.
        </p>
      )}
    </section>
  );
}

function Operations({
  row,
  streamingGBs,
}: {
  row: BenchRow;
  streamingGBs: number | null;
}): ComponentChildren {
  const sorted = row.operations.toSorted((a, b) => b.ms - a.ms);
  const slowest = sorted[0]?.ms ?? 1;
  const sum = sorted.reduce((total, { ms }) => total + ms, 0);
  const wall = 1000 / row.decodeTokensPerSecond;
  return (
    <>
      <table class="figures operations">
        <thead>
          <tr>
            <th scope="col">Operation</th>
            <th scope="col" class="operation-time">
              Time
            </th>
            <th scope="col" class="operation-count">
              Calls
            </th>
            <th scope="col">GB/s</th>
            {streamingGBs !== null && <th scope="col">of limit</th>}
          </tr>
        </thead>
        <tbody>
          {sorted.map(({ operation, kernel, dispatches, ms, gbs }) => (
            <tr key={operation}>
              <th scope="row" title={`kernel ${kernel}`}>
                {operation}
              </th>
              <td class="operation-time">
                <span class="operation-bar" aria-hidden="true">
                  <span style={{ transform: `scaleX(${ms / slowest})` }} />
                </span>
                <span>{ms.toFixed(3)} ms</span>
              </td>
              <td class="operation-count">{count(dispatches)}</td>
              <td>{gbs < 10 ? gbs.toPrecision(2) : rate(gbs)}</td>
              {streamingGBs !== null && <td>{percent(gbs / streamingGBs)}</td>}
            </tr>
          ))}
        </tbody>
      </table>
      <p class="faint bench-facts">
        One by one they take {sum.toFixed(2)} ms; a token in one go takes{' '}
        {row.tokenMs === null ? '–' : row.tokenMs.toFixed(2)} ms on the GPU, and {wall.toFixed(2)} ms as it is
        decoded.
      </p>
    </>
  );
}

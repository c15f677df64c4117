/** Markdown of what run.mjs measured: medians over the rounds, and how far these lie apart. */

export function median(values) {
  const sorted = values.toSorted((a, b) => a - b);
  const middle = Math.floor(sorted.length / 2);
  return sorted.length % 2 === 1 ? sorted[middle] : (sorted[middle - 1] + sorted[middle]) / 2;
}

/** (largest - smallest) / median, in percent */
function spread(values) {
  return `${(((Math.max(...values) - Math.min(...values)) / median(values)) * 100).toFixed(0)} %`;
}

const OTHER = 'onnxruntime-web';
const rate = (value) => (value >= 100 ? value.toFixed(0) : value.toFixed(1));

/** @returns the rates of all rounds by what was measured: 'decode at 128', 'prefill of 512' */
function ratesOf(runs) {
  const rates = new Map();
  const add = (what, value) => rates.set(what, [...(rates.get(what) ?? []), value]);
  for (const { decode = [], prefill = [] } of runs) {
    for (const row of decode) add(`decode at ${row.context}`, row.tokensPerSecond);
    for (const row of prefill) add(`prefill of ${row.tokens}`, row.tokensPerSecond);
  }
  return rates;
}

export function tableOf({ date, browser, features, rounds, runs }) {
  const adapters = new Set(
    runs.flatMap(({ adapter }) =>
      adapter ? [`${adapter.vendor} ${adapter.architecture} ${adapter.description}`.trim()] : [],
    ),
  );
  const lines = [
    `${[...adapters].join(' / ')}, Chromium ${browser}, features ${features}, ${date.slice(0, 10)}, median of ${rounds} rounds in turns (spread)`,
    '',
    '| shape | form | measured | webmla tokens/s | onnxruntime-web | ratio |',
    '|---|---|---|---:|---:|---:|',
  ];
  for (const shape of new Set(runs.map((run) => run.shape))) {
    const of = (form) => ratesOf(runs.filter((run) => run.shape === shape && run.form === form));
    const theirs = of(OTHER);
    for (const form of new Set(
      runs.filter((run) => run.shape === shape && run.form !== OTHER).map((run) => run.form),
    )) {
      for (const [what, ours] of of(form)) {
        const other = theirs.get(what);
        const cells = [shape, form, what, `${rate(median(ours))} (${spread(ours)})`];
        cells.push(
          other ? `${rate(median(other))} (${spread(other)})` : '',
          other ? `${(median(ours) / median(other)).toFixed(2)}x` : '',
        );
        lines.push(`| ${cells.join(' | ')} |`);
      }
    }
  }
  const failed = runs.filter(({ error }) => error !== undefined);
  for (const { round, shape, form, error } of failed)
    lines.push('', `Failed in round ${round + 1}, ${shape} ${form}: ${error}`);
  return `${lines.join('\n')}\n`;
}

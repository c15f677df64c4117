import { BASE, settingKey, settingName, SWEEP_STAGES } from '../../measure.ts';
import type { RaceSetting, SweepResult, SweepRow } from '../../measure.ts';

/** A sweep as it is shown and exported: what `?auto=1` leaves (contract: "Pages"), and more. */
export interface LatencyReport extends SweepResult {
  /** ISO 8601 */
  readonly date: string;
  readonly browser: string;
  /** The page with the same settings. */
  readonly link: string;
  /** False: it was cancelled, or is going on. */
  readonly complete: boolean;
  /** The tab was in the background for a part of the run. */
  readonly hidden: boolean;
}

export function reportOf(
  sweep: SweepResult,
  about: Pick<LatencyReport, 'complete' | 'hidden' | 'link'>,
): LatencyReport {
  return { ...sweep, ...about, date: new Date().toISOString(), browser: navigator.userAgent };
}

/** One of the settings that were measured, with all that is known of it. */
export interface Entrant {
  readonly setting: RaceSetting;
  readonly name: string;
  /** 1, 2, ...: what it is called in the plots. */
  readonly number: number;
  /** By context, shortest first. */
  readonly rows: readonly SweepRow[];
  readonly crossover: SweepResult['crossovers'][number] | null;
  readonly quality: SweepResult['quality'][number] | null;
  readonly memory: SweepResult['memory'][number] | null;
  readonly prefill: SweepResult['prefill'][number] | null;
}

/** GQA f16 first, then the others as they were asked for. */
export function entrantsOf(report: SweepResult): readonly Entrant[] {
  const keys = [...new Set(report.rows.map(settingKey))];
  const same =
    (key: string) =>
    (one: RaceSetting): boolean =>
      settingKey(one) === key;
  return keys.flatMap((key, i) => {
    const rows = report.rows.filter(same(key)).toSorted((a, b) => a.context - b.context);
    const [first] = rows;
    if (!first) return [];
    return {
      setting: first,
      name: settingName(first),
      number: i + 1,
      rows,
      crossover: report.crossovers.find(same(key)) ?? null,
      quality: report.quality.find(same(key)) ?? null,
      memory: report.memory.find(same(key)) ?? null,
      prefill: report.prefill.find(same(key)) ?? null,
    };
  });
}

/** Times as fast as GQA f16 at its longest context; null for GQA itself. */
export function gainOf(row: SweepRow | undefined): number | null {
  return row?.gqaMs == null ? null : row.gqaMs / row.decodeMs;
}

/** Slower than GQA f16 in the runs beside it. */
export function loses(row: SweepRow): boolean {
  const gain = gainOf(row);
  return gain !== null && gain < 1;
}

/** The answer in a few sentences, for the headline setting: where it wins, where it loses, and what it costs. */
export function verdictOf(report: SweepResult): string | null {
  const entrants = entrantsOf(report);
  const mla =
    entrants.find(({ setting }) => setting.kvBudget !== null) ?? entrants.find(({ crossover }) => crossover);
  const last = mla?.rows.at(-1);
  const [first] = mla?.rows ?? [];
  const gain = gainOf(last);
  if (!mla || !first || !last || gain === null) return null;
  const base = entrants.find(({ setting }) => settingKey(setting) === settingKey(BASE));
  const range = `${first.context.toLocaleString('en')} to ${last.context.toLocaleString('en')} tokens`;
  const end = `At ${last.context.toLocaleString('en')} it is ${factor(gain)}.${qualityText(mla, base)}`;
  if (!mla.crossover || mla.crossover.context === null) {
    return `${mla.name} is slower than GQA f16 at the end of ${range}: there is no crossover. ${end}`;
  }
  const { context, found } = mla.crossover;
  if (!found) return `${mla.name} is faster than GQA f16 at every context from ${range}. ${end}`;
  const before = loses(first)
    ? `, and loses before: at ${first.context.toLocaleString('en')} it is ${factor(gainOf(first) ?? 1)}`
    : '';
  return `${mla.name} is faster than GQA f16 from about ${context.toLocaleString('en')} tokens on${before}. ${end}`;
}

function qualityText({ quality }: Entrant, base: Entrant | undefined): string {
  if (!quality || !base?.quality) return '';
  const [own, original] = [quality, base.quality].map(({ perplexity }) => perplexity.toPrecision(3));
  return ` Its perplexity is ${own} instead of ${original}, its KL ${quality.kl.toPrecision(2)}.`;
}

/** 1.30 times as fast; 0.80 times as fast is 1.25 times as slow */
export function factor(gain: number): string {
  return gain >= 1 ? `${gain.toFixed(2)}\u00a0× as fast` : `${(1 / gain).toFixed(2)}\u00a0× slower`;
}

/** Where the time of the sweep went: 21 s: compiling 4.2 s, decoding 12.0 s, ... What took no time to speak of is left out. */
export function secondsText({ seconds }: SweepResult): string {
  const total = SWEEP_STAGES.reduce((sum, stage) => sum + seconds[stage], 0);
  const told = SWEEP_STAGES.filter((stage) => seconds[stage] >= 0.05);
  return [
    `${total.toFixed(0)} s`,
    told.map((stage) => `${stage} ${seconds[stage].toFixed(1)} s`).join(', '),
  ].join(': ');
}

const COLUMNS = [
  'attention',
  'form',
  'cacheDtype',
  'kvBudget',
  'context',
  'filled',
  'decodeMs',
  'spread',
  'gqaMs',
  'predictedMs',
  'kvBytes',
  'weightBytesPerToken',
  'dispatchesPerToken',
  'streamingShare',
  'runsMs',
] as const satisfies readonly (keyof SweepRow)[];

/** Rows with what they hold for, so that a line can stand alone. RFC 4180. */
export function csvOf(report: LatencyReport): string {
  const { model, adapter, software, browser, date } = report;
  const about = [model, adapter.vendor, adapter.architecture, adapter.description, software, browser, date];
  const names = ['model', 'vendor', 'architecture', 'description', 'software', 'browser', 'date'];
  const quality = ['perplexity', 'kl'] as const;
  const head = [...COLUMNS, ...quality, ...names, 'features', 'notes'];
  const lines = report.rows.map((row) => {
    const judged = report.quality.find((one) => settingKey(one) === settingKey(row));
    const values: readonly Cell[] = [
      ...COLUMNS.map((name) => row[name]),
      ...quality.map((name) => judged?.[name] ?? null),
      ...about,
      report.features,
      report.notes,
    ];
    return values.map(cell).join(',');
  });
  return [head.join(','), ...lines, ''].join('\r\n');
}

type Cell = string | number | boolean | null | readonly (string | number)[];

function cell(value: Cell): string {
  const text = value === null ? '' : typeof value === 'object' ? value.join(' ') : String(value);
  return /[",\r\n]/.test(text) ? `"${text.replaceAll('"', '""')}"` : text;
}

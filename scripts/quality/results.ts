import { appendFileSync, existsSync, readFileSync } from 'node:fs';
import type { Evaluation } from '../../src/runtime/evaluate.ts';

export interface TextScore {
  readonly perplexity: number;
  /** Of ln perplexity, above the original's with an f32 cache. */
  readonly rise: number;
  readonly kl: number;
  readonly top1Agreement: number;
}

/** A line of the results file. */
export interface ResultRow {
  readonly name: string;
  /** Of a token at a context of 8,192, the exact first one counted. */
  readonly bytesPerToken: number;
  readonly savedPercent: number;
  readonly texts: Readonly<Record<string, TextScore>>;
  /** Means over the texts. */
  readonly rise: number;
  readonly kl: number;
  /** Milliseconds of each stage, and of the parts of some (PARTS). */
  readonly ms: Readonly<Record<string, number>>;
  /** Most GPU memory in use at a time in each stage, of webmla's own buffers. */
  readonly gpuBytes: Readonly<Record<string, number>>;
  /** [kv_lora_rank, qk_rope_head_dim] of every layer; null: the original. */
  readonly widths: readonly (readonly [number, number])[] | null;
  /** Layers whose refinement did not help and was undone; null: none was asked for. */
  readonly undone: number | null;
  /** What a search tried, and chose. */
  readonly search: unknown;
}

/** The lines that an earlier run left: it may have been cut within its last one. */
export function readResults(path: string): Map<string, ResultRow> {
  const found = new Map<string, ResultRow>();
  if (!existsSync(path)) return found;
  for (const line of readFileSync(path, 'utf8').split('\n')) {
    try {
      // oxlint-disable-next-line no-unsafe-type-assertion -- this script wrote it
      const row = JSON.parse(line) as ResultRow;
      // Lines of the setup have no name.
      if ('name' in row) found.set(row.name, row);
    } catch {
      continue;
    }
  }
  return found;
}

export function appendResult(path: string, row: object): void {
  const rounded = (_: string, one: unknown): unknown =>
    typeof one === 'number' && !Number.isInteger(one) ? Number(one.toPrecision(7)) : one;
  // A line of its own even behind one that was cut.
  appendFileSync(path, `\n${JSON.stringify(row, rounded)}`);
}

export function scoreOf(found: Evaluation, originalNll: number): TextScore {
  return {
    perplexity: found.perplexity,
    rise: found.nllPerToken - originalNll,
    kl: found.kl ?? NaN,
    top1Agreement: found.top1Agreement ?? NaN,
  };
}

export function mean(values: readonly number[]): number {
  return values.reduce((sum, x) => sum + x, 0) / values.length;
}

/** Not stages: what the threads of the conversion took together, and of the refit what refinement and equations took. */
const PARTS = ['algebra', 'refine', 'solve'];

function wholeMs({ ms }: ResultRow): number {
  return Object.entries(ms).reduce((sum, [name, value]) => sum + (PARTS.includes(name) ? 0 : value), 0);
}

/** The rows as a table in Markdown. */
export function markdown(rows: readonly ResultRow[]): string {
  const texts = Object.keys(rows[0]?.texts ?? {});
  const head = ['row', 'bytes a token', 'saved', ...texts, 'rise', 'KL', 'seconds'];
  const lines = rows.map((row) => [
    row.name,
    row.bytesPerToken.toFixed(0),
    `${row.savedPercent.toFixed(1)} %`,
    ...texts.map((text) => row.texts[text]?.perplexity.toPrecision(5) ?? ''),
    row.rise.toFixed(4),
    row.kl.toFixed(4),
    (wholeMs(row) / 1000).toFixed(1),
  ]);
  return [head, head.map(() => '---'), ...lines].map((cells) => `| ${cells.join(' | ')} |`).join('\n');
}

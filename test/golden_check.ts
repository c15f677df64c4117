import type { Golden } from './goldens.ts';

/** What a golden is held against: some engine, somewhere. */
export interface GoldenSubject {
  /** Greedy continuation of `prompt`, `count` ids, not stopped by end tokens. */
  greedy(prompt: readonly number[], count: number): Promise<readonly number[]>;
  /** Logits of positions of `ids`: one row per position, all of the vocabulary. */
  logits(ids: readonly number[], positions: readonly number[]): Promise<readonly ArrayLike<number>[]>;
}

export interface GoldenReport {
  /** Largest |got - want| over all golden logits. */
  readonly worstLogit: number;
  /** 'prompt 2, token 17: got 5, want 9' for each greedy path that leaves the golden. */
  readonly leftPaths: readonly string[];
  readonly greedyTokens: number;
  readonly logits: number;
  /** Positions whose most likely id is the golden one, and all of them. */
  readonly argmaxEqual: number;
  readonly argmaxAll: number;
}

export interface GoldenEffort {
  /** Ids of each greedy path that are generated one by one; default all. */
  readonly generated?: number;
  /** Whether the ids after these must be the most likely ones of a prefill (much faster on a software GPU), or are left out. */
  readonly rest?: 'prefilled' | 'left out';
}

export async function checkGolden(
  golden: Golden,
  subject: GoldenSubject,
  { generated = Infinity, rest = 'prefilled' }: GoldenEffort = {},
): Promise<GoldenReport> {
  const leftPaths: string[] = [];
  let greedyTokens = 0;
  for (const [i, { prompt, next }] of golden.greedy.entries()) {
    const got = [...(await subject.greedy(prompt, Math.min(generated, next.length)))];
    if (rest === 'prefilled' && next.length > got.length) {
      const positions = next.slice(got.length).map((_, k) => prompt.length + got.length - 1 + k);
      const rows = await subject.logits([...prompt, ...next], positions);
      got.push(...rows.map(indexOfLargest));
    }
    const first = got.findIndex((id, k) => next[k] !== id);
    if (first !== -1) leftPaths.push(`prompt ${i}, token ${first}: got ${got[first]}, want ${next[first]}`);
    greedyTokens += got.length;
  }
  let worstLogit = 0;
  let count = 0;
  const sequences = new Map(golden.logits.map(({ ids }) => [ids.join(','), ids]));
  for (const [key, ids] of sequences) {
    const checks = golden.logits.filter((check) => check.ids.join(',') === key);
    const rows = await subject.logits(
      ids,
      checks.map(({ position }) => position),
    );
    for (const [i, { values }] of checks.entries()) {
      for (const [id, want] of values) {
        const difference = Math.abs((rows[i]?.[id] ?? NaN) - want);
        worstLogit = Math.max(worstLogit, Number.isNaN(difference) ? Infinity : difference);
        count++;
      }
    }
  }
  let argmaxEqual = 0;
  const { argmax } = golden;
  if (argmax) {
    const rows = await subject.logits(argmax.ids, [...argmax.ids.keys()]);
    argmaxEqual = rows.filter((row, i) => indexOfLargest(row) === argmax.next[i]).length;
  }
  return {
    worstLogit,
    leftPaths,
    greedyTokens,
    logits: count,
    argmaxEqual,
    argmaxAll: argmax?.ids.length ?? 0,
  };
}

function indexOfLargest(row: ArrayLike<number>): number {
  let best = 0;
  for (let i = 1; i < row.length; i++) if ((row[i] ?? -Infinity) > (row[best] ?? -Infinity)) best = i;
  return best;
}

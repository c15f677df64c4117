import { readFileSync } from 'node:fs';
import { join } from 'node:path';

/** The three forms of golden.json (made with transformers) as one. */
export interface Golden {
  /** Greedy continuations. */
  readonly greedy: readonly { readonly prompt: readonly number[]; readonly next: readonly number[] }[];
  /** Logits at positions of a sequence. */
  readonly logits: readonly GoldenLogits[];
  /** Most likely next id at every position of a sequence. */
  readonly argmax: { readonly ids: readonly number[]; readonly next: readonly number[] } | null;
}

export interface GoldenLogits {
  readonly ids: readonly number[];
  readonly position: number;
  readonly values: readonly (readonly [id: number, logit: number])[];
}

type Top = [number, number][];

interface RealGolden {
  prompt_ids: number[];
  greedy_ids: number[];
  logits_first32_top5: Top[];
  logits_pos0_first16: number[];
  logits_pos31_first16: number[];
  prompts?: (Omit<RealGolden, 'greedy_ids' | 'prompts'> & { new_ids: number[] })[];
  teacher_forced?: { ids: number[]; argmax_ids: number[]; logits_pos255_top5: Top };
}

interface ChatGolden {
  cases: { prompt_ids: number[]; greedy_ids: number[]; top5: Top[]; last_prompt_logits_first32: number[] }[];
  long: { ids: number[]; top5: Record<string, Top> };
}

interface RandomGolden {
  input_ids: number[];
  /** Of test/fixtures; elsewhere the greedy path goes on from input_ids. */
  greedy_prompt?: number[];
  greedy: number[];
  logits: number[][];
}

/** @param longest sequences beyond this many tokens are left out: they take minutes on a software GPU */
export function readGolden(folder: string, longest = Infinity): Golden {
  const json: unknown = JSON.parse(readFileSync(join(folder, 'golden.json'), 'utf8'));
  const golden = toGolden(json);
  return { ...golden, logits: golden.logits.filter(({ position }) => position < longest) };
}

/** For software GPUs: the first prompt and the one whose answer ends, and 32 of the teacher-forced positions. */
export function shortened({ greedy, logits, argmax }: Golden): Golden {
  const kept = greedy.filter((_, i) => i === 0 || i === greedy.length - 1);
  const starts = kept.map(({ prompt }) => prompt.join(','));
  return {
    greedy: kept,
    logits: logits.filter(({ ids }) => starts.some((start) => ids.join(',').startsWith(start))),
    argmax: argmax && { ids: argmax.ids.slice(0, 32), next: argmax.next.slice(0, 32) },
  };
}

/** Ids that the greedy paths have, no more than `most` of each. */
export function idsOf({ greedy }: Golden, most = Infinity): number {
  return greedy.reduce((sum, { next }) => sum + Math.min(most, next.length), 0);
}

function toGolden(json: unknown): Golden {
  if (has<RandomGolden>(json, 'input_ids')) {
    const { input_ids: ids, greedy_prompt: prompt = ids, greedy, logits } = json;
    return {
      greedy: [{ prompt, next: greedy.slice(prompt.length) }],
      logits: logits.map((row, position) => ({ ids, position, values: [...row.entries()] })),
      argmax: null,
    };
  }
  if (has<ChatGolden>(json, 'cases')) {
    const { cases, long } = json;
    return {
      greedy: cases.map(({ prompt_ids, greedy_ids }) => ({ prompt: prompt_ids, next: greedy_ids })),
      logits: [
        ...cases.flatMap(({ prompt_ids, greedy_ids, top5, last_prompt_logits_first32 }) => {
          const ids = [...prompt_ids, ...greedy_ids].slice(0, top5.length);
          const last = {
            ids,
            position: prompt_ids.length - 1,
            values: [...last_prompt_logits_first32.entries()],
          };
          return [...top5.map((values, position) => ({ ids, position, values })), last];
        }),
        ...Object.entries(long.top5).map(([position, values]) => ({
          ids: long.ids.slice(0, 256),
          position: Number(position),
          values,
        })),
      ],
      argmax: null,
    };
  }
  if (has<RealGolden>(json, 'logits_first32_top5')) return realGolden(json);
  throw new Error('golden.json has none of the known forms');
}

function realGolden({ prompts, teacher_forced, ...first }: RealGolden): Golden {
  const all = prompts ?? [{ ...first, new_ids: first.greedy_ids.slice(first.prompt_ids.length) }];
  return {
    greedy: all.map(({ prompt_ids, new_ids }) => ({ prompt: prompt_ids, next: new_ids })),
    logits: [
      ...all.flatMap((one) => {
        // The whole path: its rows are at hand from the greedy check.
        const ids = [...one.prompt_ids, ...one.new_ids];
        const rows = one.logits_first32_top5.map((values, position) => ({ ids, position, values }));
        return [
          ...rows,
          { ids, position: 0, values: [...one.logits_pos0_first16.entries()] },
          { ids, position: 31, values: [...one.logits_pos31_first16.entries()] },
        ];
      }),
      ...(teacher_forced
        ? [{ ids: teacher_forced.ids, position: 255, values: teacher_forced.logits_pos255_top5 }]
        : []),
    ],
    argmax: teacher_forced ? { ids: teacher_forced.ids, next: teacher_forced.argmax_ids } : null,
  };
}

function has<T>(json: unknown, key: keyof T): json is T {
  return typeof json === 'object' && json !== null && key in json;
}

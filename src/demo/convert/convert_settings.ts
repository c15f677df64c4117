import { rowWidth, widestRow } from '../../conversion.ts';
import type { MethodChoice, Subject, WorkbenchRequest } from '../../conversion.ts';
import type { CacheDtype } from '../../index.ts';
import type { Failure } from '../failure.ts';
import { CACHE_DTYPES } from '../forms.ts';
import { fieldsOf, numberOr, oneOf, textOr } from '../plain_data.ts';

/** How the model is to be converted, as the form is filled in. */
export interface ConvertSettings {
  readonly method: Method;
  readonly form: Form;
  /** Share of GQA's own f16 cache, 0 to 1. */
  readonly kvBudget: number;
  /** Exact widths instead, as they are typed; '' for none. */
  readonly rank: string;
  readonly rope: string;
  readonly cacheDtype: CacheDtype;
  readonly refit: boolean;
  readonly calibrationTokens: number;
}

export const METHODS = ['webmla', 'transmla', 'mha2mla', 'exact'] as const;
export type Method = (typeof METHODS)[number];
export const METHOD_NAMES: Readonly<Record<Method, string>> = {
  webmla: 'webmla (ours)',
  transmla: 'TransMLA',
  mha2mla: 'MHA2MLA',
  exact: 'exact: no loss, nothing saved',
};

export const FORMS = ['reuse', 'recon', 'strict'] as const;
export type Form = (typeof FORMS)[number];
export const FORMS_EXPLAINED: Readonly<Record<Form, string>> = {
  reuse: 'The rope key serves content too: better than strict at the same bytes.',
  recon: 'Rope keys are rebuilt when they are read: the best quality, for more arithmetic.',
  strict: 'A latent and a rope key, as DeepSeek has it.',
};

export const BUDGETS = { min: 0.1, max: 1, step: 0.01 } as const;
const MOST_TOKENS = 1_000_000;

/** Software adapters get work that they end within a minute. */
export function usualConversion(software: boolean): ConvertSettings {
  return {
    method: 'webmla',
    form: 'reuse',
    kvBudget: 0.5,
    rank: '',
    rope: '',
    cacheDtype: 'f16',
    refit: true,
    calibrationTokens: software ? 1024 : 32_768,
  };
}

export function parseConversion(stored: unknown, usual: ConvertSettings): ConvertSettings {
  const fields = fieldsOf(stored);
  const number = (name: string): number => {
    const value = fields[name];
    return numberOr(typeof value === 'string' && value !== '' ? Number(value) : value, NaN);
  };
  const [kvBudget, tokens] = [number('kvBudget'), number('calibrationTokens')];
  const refit = fields['refit'];
  return {
    method: oneOf(fields['method'], METHODS, usual.method),
    form: oneOf(fields['form'], FORMS, usual.form),
    kvBudget: kvBudget > 0 && kvBudget <= 1 ? kvBudget : usual.kvBudget,
    rank: textOr(fields['rank'], usual.rank),
    rope: textOr(fields['rope'], usual.rope),
    cacheDtype: oneOf(fields['cacheDtype'], CACHE_DTYPES, usual.cacheDtype),
    refit:
      typeof refit === 'boolean' ? refit : refit === 'on' || refit === 'off' ? refit === 'on' : usual.refit,
    calibrationTokens: tokens >= 1 && tokens <= MOST_TOKENS ? Math.round(tokens) : usual.calibrationTokens,
  };
}

/** What a token will take, before anything is made. */
export interface Plan {
  /** In all layers. Of quantised caches at most: groups at the end may be short. */
  readonly bytes: number;
  /** Of GQA's own f16 cache. */
  readonly share: number;
}

/** @returns null where the budget makes no sense; the converter says why */
export function planOf(subject: Subject, settings: ConvertSettings): Plan | null {
  const { cacheDtype, kvBudget, method } = settings;
  const whole = subject.gqaBytes.f16;
  const planned = (bytes: number): Plan => ({ bytes, share: bytes / whole });
  if (method === 'exact') return planned(subject.gqaBytes[cacheDtype]);
  const widths = widthsOf(settings);
  const widest = 2 * subject.groups * subject.head_dim;
  try {
    const row_dim =
      widths === null
        ? rowWidth({ width: widest / 2 }, kvBudget, cacheDtype)
        : widths.rank + (method === 'webmla' && settings.form === 'recon' ? 0 : (widths.rope ?? 0));
    if (!(row_dim > 0 && row_dim <= widest)) return null;
    return planned(subject.layers * widestRow(row_dim, cacheDtype));
  } catch {
    return null;
  }
}

/** null: the budget decides. NaN for what is no number. */
function widthsOf({ rank, rope }: ConvertSettings): { rank: number; rope: number | null } | null {
  if (rank.trim() === '') return null;
  return { rank: Number(rank), rope: rope.trim() === '' ? null : Number(rope) };
}

export function choiceOf(settings: ConvertSettings): WorkbenchRequest['choice'] {
  const { method, cacheDtype, form, kvBudget } = settings;
  if (method === 'exact') return { method, cacheDtype };
  const widths = widthsOf(settings);
  const choice: MethodChoice = {
    method,
    form: method === 'webmla' ? form : 'strict',
    exportable: false,
    cacheDtype,
    options: {},
    ...(widths === null
      ? { kvBudget }
      : { kv_lora_rank: widths.rank, ...(widths.rope !== null && { qk_rope_head_dim: widths.rope }) }),
  };
  return choice;
}

/** @returns null where the form is filled in as it should be */
export function formFailure(settings: ConvertSettings): Failure | null {
  const widths = widthsOf(settings);
  const wrong = (what: string, expected: string, got: string): Failure => ({
    code: 'bad_request',
    message: `${what}: expected ${expected}, got ${JSON.stringify(got)}`,
    hint: 'Look at the exact widths, or leave them empty.',
  });
  if (widths === null || settings.method === 'exact') return null;
  if (!isCount(widths.rank)) return wrong('kv_lora_rank', 'a whole number', settings.rank);
  if (widths.rope !== null && (!isCount(widths.rope) || widths.rope % 2 !== 0))
    return wrong('qk_rope_head_dim', 'an even number', settings.rope);
  return null;
}

function isCount(value: number): boolean {
  return Number.isInteger(value) && value >= 1 && value <= 65_536;
}

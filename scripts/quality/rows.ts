import type { MethodChoice } from '../../src/convert/budget.ts';
import type { CacheFormat } from '../../src/core/cache_rows.ts';

/** One row of the tables: a cache, and what is done to get it. */
export interface RowSpec {
  /** Rows of a results file are known by it. */
  readonly name: string;
  /** The conversion; null: the original's own cache. */
  readonly choice: MethodChoice | null;
  readonly cacheDtype: CacheFormat;
  readonly refit: boolean;
  /** Adam steps on every layer. */
  readonly steps: number;
  /** Calibrated and refitted on the text that ships with the package, as a person gets it who gives none. */
  readonly packageText: boolean;
  /** The choice is what a search finds within this share of the cache. */
  readonly searched: number | null;
}

type MethodName = 'transmla' | 'mha2mla' | 'strict' | 'reuse' | 'recon' | 'exportable';

const METHODS: readonly MethodName[] = ['recon', 'reuse', 'strict', 'exportable', 'transmla', 'mha2mla'];
const OURS: readonly MethodName[] = ['recon', 'reuse', 'strict', 'exportable'];
const SEARCHED = [0.5, 0.25, 0.165];

/** Of the two published methods, the settings that the laboratory found best on this model. */
const BEST: Readonly<Record<string, Partial<MethodChoice>>> = {
  'transmla 87.5': { options: { freqfold: '4' } },
  'mha2mla 25': { qk_rope_head_dim: 48 },
  'mha2mla 62.5': { qk_rope_head_dim: 24 },
};

function choiceOf(method: MethodName, saved: number, cacheDtype: CacheFormat): MethodChoice {
  const published = method === 'transmla' || method === 'mha2mla';
  return {
    method: published ? method : 'webmla',
    form: method === 'reuse' || method === 'recon' ? method : 'strict',
    exportable: method === 'exportable',
    cacheDtype,
    kvBudget: 1 - saved / 100,
    options: {},
    ...BEST[`${method} ${saved}`],
  };
}

const PLAIN = { refit: false, steps: 0, packageText: false, searched: null };

function gqa(cacheDtype: CacheFormat): RowSpec {
  return { ...PLAIN, name: `gqa ${cacheDtype}`, choice: null, cacheDtype };
}

function row(
  method: MethodName,
  saved: number,
  rest: Partial<Pick<RowSpec, 'refit' | 'steps' | 'packageText' | 'cacheDtype'>> = {},
): RowSpec {
  const { cacheDtype = 'f16', refit = false, steps = 0, packageText = false } = rest;
  const words = [
    method,
    ...(cacheDtype === 'f16' ? [] : [cacheDtype]),
    `-${saved}`,
    ...(steps > 0 ? [`adam${steps}`] : []),
    ...(refit ? ['refit'] : []),
    ...(packageText ? ['package-text'] : []),
  ];
  return {
    ...PLAIN,
    name: words.join(' '),
    choice: choiceOf(method, saved, cacheDtype),
    cacheDtype,
    refit,
    steps,
    packageText,
  };
}

/** Without refit and with: one conversion, measured twice. */
const both = (method: MethodName, saved: number): RowSpec[] => [
  row(method, saved),
  row(method, saved, { refit: true }),
];

/** int8 at the width that f16 has at half the bytes. */
function int8Beside(method: MethodName): RowSpec {
  const choice = { ...choiceOf(method, 50, 'int8'), kvBudget: undefined, row_dim: 192 };
  const name = `${method} int8 192 values refit`;
  return { ...PLAIN, name, choice, cacheDtype: 'int8', refit: true };
}

/** The refit as if the cache were not quantised: what fitting to the rounded cache is worth. */
function refitUnrounded(method: MethodName, saved: number): RowSpec {
  const spec = row(method, saved, { cacheDtype: 'int4', refit: true });
  const choice = { ...choiceOf(method, saved, 'int4'), options: { refitCache: 'f32' } };
  return { ...spec, name: `${spec.name} unrounded`, choice };
}

/** TransMLA without its second calibration: what that is worth. */
function calibratedOnce(saved: number): RowSpec {
  const spec = row('transmla', saved);
  const choice = { ...choiceOf('transmla', saved, 'f16'), options: { recalibrate: 'off' } };
  return { ...spec, name: `${spec.name} calibrated once`, choice };
}

/** What the issue asks for, what it asks for most first: a run that is cut has the best of it. */
export function allRows(): RowSpec[] {
  const int4 = { cacheDtype: 'int4', refit: true } as const;
  return [
    ...(['f16', 'int8', 'int4'] as const).map(gqa),
    row('transmla', 50),
    row('transmla', 75),
    row('reuse', 75, int4),
    row('reuse', 83.5, int4),
    refitUnrounded('reuse', 75),
    refitUnrounded('reuse', 83.5),
    ...OURS.flatMap((method) => [50, 75].flatMap((saved) => both(method, saved))),
    ...both('reuse', 25),
    row('reuse', 50, { refit: true, packageText: true }),
    int8Beside('reuse'),
    ...(['recon', 'strict'] as const).flatMap((method) =>
      [50, 75].map((saved) => row(method, saved, { steps: 80, refit: true })),
    ),
    ...[50, 75].map((saved) => row('transmla', saved, { refit: true })),
    ...[50, 75].map(calibratedOnce),
    ...[50, 75].flatMap((saved) => both('mha2mla', saved)),
    row('recon', 75, int4),
    row('recon', 83.5, int4),
    ...[62.5, 25, 87.5].flatMap((saved) =>
      METHODS.filter((method) => method !== 'reuse' || saved !== 25).flatMap((method) => both(method, saved)),
    ),
    ...SEARCHED.map((share): RowSpec => ({
      ...PLAIN,
      name: `searched ${share}`,
      choice: null,
      cacheDtype: 'f16',
      refit: true,
      searched: share,
    })),
  ];
}

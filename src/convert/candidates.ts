import { CACHE_FORMATS, cacheBytesPerToken } from '../core/cache_rows.ts';
import type { CacheFormat } from '../core/cache_rows.ts';
import { WebMlaError } from '../core/errors.ts';
import type { LatentForm } from '../core/layers.ts';
import type { AttentionShape } from './attention_shape.ts';
import { rowWidth, widestRow } from './budget.ts';
import type { Budget, MethodChoice } from './budget.ts';
import type { LayerReport } from './report.ts';

/** What a person asks for. What is left out is searched for. */
export interface Intent extends Budget {
  readonly method: MethodChoice['method'];
  /** Default: the best of all (webmla), strict (transmla, mha2mla, exportable), reuse where widths are given. */
  readonly form?: LatentForm | undefined;
  readonly exportable?: boolean | undefined;
  /** Default: the best of f16, int8 and int4; f16 where widths are given and for transmla and mha2mla. */
  readonly cacheDtype?: CacheFormat | undefined;
  /** webmla only: the rise of ln perplexity that is accepted; the fewest bytes that stay within it are searched for. */
  readonly maxLoss?: number | undefined;
  readonly options?: Readonly<Record<string, string>> | undefined;
}

/** A cache that a model might have. 'gqa': its own keys and values. */
export interface Candidate {
  readonly form: LatentForm | 'gqa';
  readonly cacheDtype: CacheFormat;
  /** Values of a token's row, of all KV heads. */
  readonly row_dim: number;
  /** Of a token in all layers, scales counted. Of a latent: at most; where its row is divided decides about the last groups. */
  readonly bytes: number;
}

/** A form and a dtype: what candidates of different widths share. */
export type Family = Pick<Candidate, 'form' | 'cacheDtype'>;

export function candidateName({ form, cacheDtype, row_dim }: Omit<Candidate, 'bytes'>): string {
  return form === 'gqa' ? `gqa ${cacheDtype}` : `${form} ${cacheDtype}, ${row_dim} values`;
}

export function sameFamily(a: Family, b: Family): boolean {
  return a.form === b.form && a.cacheDtype === b.cacheDtype;
}

const FORMS: readonly LatentForm[] = ['reuse', 'recon', 'strict'];
/** f32 is chosen only by who asks for it. */
const DTYPES = CACHE_FORMATS.filter((dtype) => dtype !== 'f32');

/** What an intent leaves open, each with its narrowest member. */
export function openFamilies({ method, form, exportable = false, cacheDtype }: Intent): Family[] {
  const free = method === 'webmla' && !exportable;
  const forms = form ? [form] : free ? FORMS : (['strict'] as const);
  const dtypes = cacheDtype ? [cacheDtype] : method === 'webmla' ? DTYPES : (['f16'] as const);
  return forms.flatMap((one) => dtypes.map((dtype) => ({ form: one, cacheDtype: dtype })));
}

/** Rows narrower than this hold no rope pairs beside a latent. */
const NARROWEST = 8;

/** Every width of a family, narrowest first: multiples of 4, as the kernels want them. */
export function familyMembers(shape: AttentionShape, layers: number, family: Family): Candidate[] {
  const count = Math.floor((2 * shape.width - NARROWEST) / 4) + 1;
  return Array.from({ length: count }, (_, i) => latentCandidate(layers, family, NARROWEST + 4 * i));
}

function latentCandidate(layers: number, family: Family, row_dim: number): Candidate {
  return { ...family, row_dim, bytes: layers * widestRow(row_dim, family.cacheDtype) };
}

/**
 * The widest row of every family that a budget pays for.
 * @throws WebMlaError `bad_request` where none fits
 */
export function budgetCandidates(
  shape: AttentionShape,
  layers: number,
  families: readonly Family[],
  kvBudget: number,
): Candidate[] {
  let why: unknown;
  const found = families.flatMap((family) => {
    try {
      return [latentCandidate(layers, family, rowWidth(shape, kvBudget, family.cacheDtype))];
    } catch (error) {
      why = error;
      return [];
    }
  });
  if (found.length === 0) throw why;
  return found;
}

/** The model's own keys and values in a dtype. */
export function plainCache(
  { groups, head_dim, width }: AttentionShape,
  layers: number,
  cacheDtype: CacheFormat,
): Candidate {
  const bytes = cacheBytesPerToken({ groups, row_dim: 2 * head_dim, split_dim: head_dim }, cacheDtype);
  return { form: 'gqa', cacheDtype, row_dim: 2 * width, bytes: layers * bytes };
}

/** The conversion that makes a candidate. @throws WebMlaError `internal` for plain GQA, which no conversion makes */
export function choiceOf(
  { method, exportable = false, options = {}, qk_rope_head_dim }: Intent,
  { form, cacheDtype, row_dim }: Omit<Candidate, 'bytes'>,
): MethodChoice {
  if (form === 'gqa') throw new WebMlaError('internal', 'candidate: expected a latent form, got gqa');
  return { method, form, exportable, cacheDtype, row_dim, qk_rope_head_dim, options };
}

/**
 * Mean squared error of a value that lies in a group of 32, in units of its variance: normal values span 4.14 deviations
 * (Tippett, Biometrika 17, 1925), a step is that over 2^bits - 1, its error step² / 12.
 */
const ROUNDING: Readonly<Record<CacheFormat, number>> = {
  f32: 0,
  f16: 0,
  int8: (4.14 / 255) ** 2 / 12,
  int4: (4.14 / 15) ** 2 / 12,
};

/** Part of the energy that a cache of this dtype is expected to lose when its maps leave out `left` of it (energyLeftOut). */
export function expectedLoss(left: number, cacheDtype: CacheFormat): number {
  return left + (1 - left) * ROUNDING[cacheDtype];
}

/** Part of the energy of a layer's keys and values that its maps leave out, where the output sees it; null: not predicted. */
export function energyLeftOut({ predictedError, outputEnergy }: LayerReport): number | null {
  if (predictedError === null || outputEnergy === null || outputEnergy <= 0) return null;
  return Math.min(1, predictedError / outputEnergy);
}

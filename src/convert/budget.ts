import { cacheBytesPerToken } from '../core/cache_rows.ts';
import type { CacheFormat } from '../core/cache_rows.ts';
import { WebMlaError } from '../core/errors.ts';
import type { LatentForm } from '../core/layers.ts';
import type { AttentionShape } from './attention_shape.ts';
import type { MethodOptions } from './convert_layer.ts';

/** From what a person asks for (a share of the cache, or widths) to the options of a method. */

export interface Budget {
  /** Share of the model's own f16 GQA cache, in bytes, scales counted. */
  readonly kvBudget?: number | undefined;
  /** Or the widths themselves. */
  readonly kv_lora_rank?: number | undefined;
  readonly qk_rope_head_dim?: number | undefined;
  /** Or the values of a row alone, the rope key among them: the method divides them. */
  readonly row_dim?: number | undefined;
}

export interface MethodChoice extends Budget {
  readonly method: 'transmla' | 'mha2mla' | 'webmla';
  readonly form: LatentForm;
  readonly exportable: boolean;
  readonly cacheDtype: CacheFormat;
  /** `--option KEY=VALUE` of the method: freqfold, recalibrate, selection, svd, tokens. */
  readonly options: Readonly<Record<string, string>>;
}

/**
 * Values of a row that a budget pays for, a multiple of 4.
 * @param ropeStep what the rope key's width is a multiple of: 8 in our own method (chooseRopePairs)
 * @throws WebMlaError `bad_request` for a budget that no row fits into
 */
export function rowWidth(
  { width }: Pick<AttentionShape, 'width'>,
  budget: number,
  cacheDtype: CacheFormat,
  ropeStep = 8,
): number {
  if (!(budget > 0 && budget <= 1)) {
    throw new WebMlaError('bad_request', `kvBudget: expected a number above 0, at most 1, got ${budget}`);
  }
  const most = budget * 2 * width * 2;
  let values = 2 * width;
  // Rope and latent part have groups of their own, the last ones perhaps short.
  while (values > 0 && widestRow(values, cacheDtype, ropeStep) > most) {
    values -= 4;
  }
  if (values < 8) {
    throw new WebMlaError(
      'bad_request',
      `kvBudget: ${budget} of ${4 * width} bytes a token and layer holds ${values} values, expected at least 8`,
      'Ask for more, or for cacheDtype int4.',
    );
  }
  return values;
}

/** Bytes of a row in the worse of two cases: one region, or two that both end in a short group. */
export function widestRow(row_dim: number, cacheDtype: CacheFormat, ropeStep = 8): number {
  const bytes = (split_dim: number): number =>
    cacheBytesPerToken({ groups: 1, row_dim, split_dim }, cacheDtype);
  // A row of a few values has fewer pairs.
  const rope = row_dim > ropeStep ? ropeStep : 4;
  return Math.max(bytes(row_dim), bytes(Math.max(4, row_dim - rope)));
}

/** @throws WebMlaError `bad_request` */
export function methodOptions(shape: AttentionShape, choice: MethodChoice): MethodOptions {
  const { method, form, exportable, options } = choice;
  const rope = choice.qk_rope_head_dim;
  const row_dim = rowOf(shape, choice);
  const most = 2 * shape.width;
  if (row_dim > most) {
    throw new WebMlaError(
      'bad_request',
      `kv_lora_rank: expected at most ${most} values a token with the rope key, which is what the model has, got ${row_dim}`,
    );
  }
  switch (method) {
    case 'webmla':
      return {
        method,
        form,
        row_dim,
        ...(rope !== undefined && { pairs: rope / 2 }),
        ...(exportable && { exportable }),
        ...(options['tokens'] === 'plain' && { tokens: 'plain' }),
      };
    case 'transmla': {
      const fold = options['freqfold'];
      return {
        method,
        row_dim,
        qk_rope_head_dim: rope ?? Math.min(shape.head_dim, 2 ** Math.floor(Math.log2(row_dim / 3))),
        freqfold: fold === undefined || fold === 'auto' ? 'auto' : Number(fold),
      };
    }
    case 'mha2mla': {
      const perHead = rope === undefined ? row_dim / 8 / shape.groups : rope / 2 / shape.groups;
      return {
        method,
        row_dim,
        ropePairsPerHead: Math.max(1, Math.round(perHead)),
        selection: oneOf(options, 'selection', ['2-norm', 'high', 'low', 'uniform']),
        svd: oneOf(options, 'svd', ['joint', 'split']),
      };
    }
  }
}

export function isQuantised(cacheDtype: CacheFormat): boolean {
  return cacheDtype === 'int8' || cacheDtype === 'int4';
}

function rowOf(shape: AttentionShape, choice: MethodChoice): number {
  const { kvBudget, kv_lora_rank, qk_rope_head_dim = 0, row_dim, form, cacheDtype, method } = choice;
  if (row_dim !== undefined) return row_dim;
  if (kv_lora_rank !== undefined) return kv_lora_rank + (form === 'recon' ? 0 : qk_rope_head_dim);
  if (kvBudget !== undefined) {
    return rowWidth(shape, kvBudget, cacheDtype, method === 'webmla' ? 8 : 4);
  }
  throw new WebMlaError('bad_request', 'budget: expected kvBudget or kv_lora_rank, got neither');
}

function oneOf<T extends string>(
  options: Readonly<Record<string, string>>,
  name: string,
  choices: readonly [T, ...T[]],
): T {
  const value = options[name];
  if (value === undefined) return choices[0];
  const found = choices.find((choice) => choice === value);
  if (found === undefined) {
    throw new WebMlaError('bad_request', `${name}: expected ${choices.join(' or ')}, got ${value}`);
  }
  return found;
}

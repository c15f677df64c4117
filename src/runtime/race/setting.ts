import { attentionShape } from '../../convert/attention_shape.ts';
import { CACHE_FORMATS, cacheBytesPerToken } from '../../core/cache_rows.ts';
import type { CacheFormat } from '../../core/cache_rows.ts';
import type { ModelConfig } from '../../core/config.ts';
import { latentShape } from '../../core/layers.ts';
import type { LatentForm } from '../../core/layers.ts';
import type { LatentLayer } from '../../formats/latent_config.ts';
import type { AttentionForm } from '../types.ts';

/** One way to run a model that takes part in the race. */
export interface RaceSetting {
  /** 'exact': GQA rewritten as MLA without loss; the latent forms come from webmla's conversion. */
  readonly form: 'gqa' | 'exact' | LatentForm;
  readonly cacheDtype: CacheFormat;
  /** Of the latent forms: share of the model's own f16 GQA cache, in bytes. Of the others null. */
  readonly kvBudget: number | null;
}

/** What everything is held against. */
export const BASE: RaceSetting = { form: 'gqa', cacheDtype: 'f16', kvBudget: null };

const FORMS = ['gqa', 'exact', 'strict', 'reuse', 'recon'] as const satisfies readonly RaceSetting['form'][];

/** For addresses and tables: gqa-int8, exact-f16, reuse-0.25-int4 */
export function settingKey({ form, cacheDtype, kvBudget }: RaceSetting): string {
  return [form, ...(kvBudget === null ? [] : [kvBudget]), cacheDtype].join('-');
}

/** @returns null for what is no key of a setting */
export function parseSetting(key: string): RaceSetting | null {
  const [first, ...rest] = key.trim().split('-');
  const form = FORMS.find((one) => one === first);
  const cacheDtype = CACHE_FORMATS.find((one) => one === rest.at(-1));
  if (!form || !cacheDtype) return null;
  if (form === 'gqa' || form === 'exact')
    return rest.length === 1 ? { form, cacheDtype, kvBudget: null } : null;
  const kvBudget = Number(rest[0]);
  return rest.length === 2 && kvBudget > 0 && kvBudget <= 1 ? { form, cacheDtype, kvBudget } : null;
}

/** GQA f16; MLA lossless f16; MLA reuse 25 % int4 */
export function settingName({ form, cacheDtype, kvBudget }: RaceSetting): string {
  if (form === 'gqa') return `GQA ${cacheDtype}`;
  if (form === 'exact') return `MLA lossless ${cacheDtype}`;
  return `MLA ${form} ${Math.round((kvBudget ?? 1) * 1000) / 10} % ${cacheDtype}`;
}

export function attentionOf({ form }: RaceSetting): AttentionForm {
  return form === 'gqa' ? 'gqa' : 'mla';
}

/** Of a row of the widest layer, and of a token in all layers. */
export interface CacheSize {
  readonly widestRow: number;
  readonly token: number;
}

/** @param latent of converted models: what their layers are */
export function cacheSize(
  config: ModelConfig,
  { form, cacheDtype }: RaceSetting,
  latent: readonly LatentLayer[] | null,
): CacheSize {
  const { groups, head_dim, width } = attentionShape(config);
  const row =
    form === 'gqa'
      ? { groups, row_dim: 2 * head_dim, split_dim: head_dim }
      : { groups: 1, row_dim: 2 * width, split_dim: width };
  const rows = latent
    ? latent.map((layer) => ({
        groups: 1,
        row_dim: latentShape(layer).row_dim,
        split_dim: layer.kv_lora_rank,
      }))
    : Array.from({ length: config.num_hidden_layers }, () => row);
  const bytes = rows.map((one) => cacheBytesPerToken(one, cacheDtype));
  return { widestRow: Math.max(...bytes), token: bytes.reduce((sum, one) => sum + one, 0) };
}

import { useId } from 'preact/hooks';
import type { ComponentChildren } from 'preact';
import type { RaceSetting } from '../../measure.ts';
import { CACHE_DTYPES } from '../forms.ts';
import { oneOf } from '../plain_data.ts';

const FORM_NAMES: Readonly<Record<RaceSetting['form'], string>> = {
  gqa: 'GQA, as trained',
  exact: 'MLA, lossless',
  reuse: 'MLA, reuse',
  recon: 'MLA, recon',
  strict: 'MLA, strict',
};
const FORMS = ['gqa', 'exact', 'reuse', 'recon', 'strict'] as const satisfies readonly RaceSetting['form'][];
const BUDGETS: readonly number[] = [0.75, 0.5, 0.375, 0.25, 0.16, 0.125];
const USUAL_BUDGET = 0.5;

interface SettingFieldsProps {
  /** Of whom: read out before the name of each field. */
  readonly of: string;
  readonly value: RaceSetting;
  readonly onChange: (setting: RaceSetting) => void;
}

/** One way to run the model: form, share of the cache, bits of the cache. */
export function SettingFields({ of, value, onChange }: SettingFieldsProps): ComponentChildren {
  const id = useId();
  const { form, kvBudget, cacheDtype } = value;
  const budgets = kvBudget === null || BUDGETS.includes(kvBudget) ? BUDGETS : [kvBudget, ...BUDGETS];
  const changeForm = (next: RaceSetting['form']): void => {
    const shrinks = next !== 'gqa' && next !== 'exact';
    onChange({ ...value, form: next, kvBudget: shrinks ? (kvBudget ?? USUAL_BUDGET) : null });
  };
  return (
    <fieldset class="setting-fields">
      <legend class="unseen">{of}</legend>
      <label class="unseen" for={`${id}-form`}>
        {of}: attention
      </label>
      <select
        id={`${id}-form`}
        class="field"
        value={form}
        onChange={({ currentTarget }) => changeForm(oneOf(currentTarget.value, FORMS, form))}
      >
        {FORMS.map((one) => (
          <option key={one} value={one}>
            {FORM_NAMES[one]}
          </option>
        ))}
      </select>
      {kvBudget !== null && (
        <>
          <label class="unseen" for={`${id}-budget`}>
            {of}: share of the cache
          </label>
          <select
            id={`${id}-budget`}
            class="field"
            value={String(kvBudget)}
            onChange={({ currentTarget }) => onChange({ ...value, kvBudget: Number(currentTarget.value) })}
          >
            {budgets.map((one) => (
              <option key={one} value={String(one)}>
                {Math.round(one * 1000) / 10} %
              </option>
            ))}
          </select>
        </>
      )}
      <label class="unseen" for={`${id}-dtype`}>
        {of}: cache
      </label>
      <select
        id={`${id}-dtype`}
        class="field"
        value={cacheDtype}
        onChange={({ currentTarget }) =>
          onChange({ ...value, cacheDtype: oneOf(currentTarget.value, CACHE_DTYPES, cacheDtype) })
        }
      >
        {CACHE_DTYPES.map((name) => (
          <option key={name} value={name}>
            {name}
          </option>
        ))}
      </select>
    </fieldset>
  );
}

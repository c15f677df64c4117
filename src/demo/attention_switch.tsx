import { useId } from 'preact/hooks';
import type { ComponentChildren } from 'preact';
import type { AttentionForm } from '../index.ts';
import { ATTENTION_FORMS, ATTENTION_NAMES, MLA_EXPLAINED } from './forms.ts';

interface AttentionSwitchProps {
  readonly value: AttentionForm;
  readonly onChange: (form: AttentionForm) => void;
  /** Where MLA with a smaller cache may be chosen too. */
  readonly compressed?: { readonly chosen: boolean; readonly onChoose: () => void };
}

export function AttentionSwitch({ value, onChange, compressed }: AttentionSwitchProps): ComponentChildren {
  const chosen = compressed?.chosen ?? false;
  const name = useId();
  return (
    <fieldset class="segments" title={MLA_EXPLAINED}>
      <legend class="unseen">Attention</legend>
      {ATTENTION_FORMS.map((form) => (
        <label key={form}>
          <input
            type="radio"
            name={name}
            checked={!chosen && value === form}
            onChange={() => onChange(form)}
          />
          {ATTENTION_NAMES[form]}
          {form === 'mla' && <span class="segment-note">lossless</span>}
        </label>
      ))}
      {compressed && (
        <label>
          <input type="radio" name={name} checked={chosen} onChange={() => compressed.onChoose()} />
          {ATTENTION_NAMES.mla}
          <span class="segment-note">compressed</span>
        </label>
      )}
    </fieldset>
  );
}

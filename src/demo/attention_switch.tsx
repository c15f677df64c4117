import { useId } from 'preact/hooks';
import type { ComponentChildren } from 'preact';
import type { AttentionForm } from '../index.ts';
import { ATTENTION_FORMS, ATTENTION_NAMES, MLA_EXPLAINED } from './forms.ts';

interface AttentionSwitchProps {
  readonly value: AttentionForm;
  readonly onChange: (form: AttentionForm) => void;
}

export function AttentionSwitch({ value, onChange }: AttentionSwitchProps): ComponentChildren {
  const name = useId();
  return (
    <fieldset class="segments" title={MLA_EXPLAINED}>
      <legend class="unseen">Attention</legend>
      {ATTENTION_FORMS.map((form) => (
        <label key={form}>
          <input type="radio" name={name} checked={value === form} onChange={() => onChange(form)} />
          {ATTENTION_NAMES[form]}
          {form === 'mla' && <span class="segment-note">lossless</span>}
        </label>
      ))}
    </fieldset>
  );
}

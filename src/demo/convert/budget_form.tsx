import type { ComponentChildren } from 'preact';
import { CACHE_DTYPES, CACHE_NAMES } from '../forms.ts';
import { oneOf } from '../plain_data.ts';
import { bytes } from '../quantities.ts';
import { percentOf } from './conversion_record.ts';
import type { ConvertSession } from './convert_session.ts';
import { BUDGETS, FORMS, FORMS_EXPLAINED, METHOD_NAMES, METHODS } from './convert_settings.ts';
import type { ConvertSettings } from './convert_settings.ts';
import { MaterialFields } from './material_fields.tsx';

export function BudgetForm({ session }: { session: ConvertSession }): ComponentChildren {
  const settings = session.settings.value;
  const { method, form, cacheDtype, refit } = settings;
  const state = session.state.value;
  const running = state.kind === 'running' && state.goal !== 'open';
  const change = (part: Partial<ConvertSettings>): void => session.change(part);
  const readable = session.subject.value !== null;
  return (
    <form
      class="convert-form"
      aria-label="How to convert"
      onSubmit={(event) => {
        event.preventDefault();
        void session.run('convert');
      }}
    >
      <h2>Cache</h2>
      {method !== 'exact' && <BudgetSlider session={session} />}
      <div class="stacked">
        <label for="cache-dtype">Stored as</label>
        <select
          id="cache-dtype"
          class="field"
          value={cacheDtype}
          onChange={({ currentTarget }) =>
            change({ cacheDtype: oneOf(currentTarget.value, CACHE_DTYPES, cacheDtype) })
          }
        >
          {CACHE_DTYPES.map((name) => (
            <option key={name} value={name}>
              {CACHE_NAMES[name]}
            </option>
          ))}
        </select>
      </div>
      <div class="stacked">
        <label for="method">Method</label>
        <select
          id="method"
          class="field"
          value={method}
          onChange={({ currentTarget }) => change({ method: oneOf(currentTarget.value, METHODS, method) })}
        >
          {METHODS.map((name) => (
            <option key={name} value={name}>
              {METHOD_NAMES[name]}
            </option>
          ))}
        </select>
      </div>
      {method === 'webmla' && (
        <div class="stacked">
          <span>Form</span>
          <fieldset class="segments">
            <legend class="unseen">Form of the latent</legend>
            {FORMS.map((name) => (
              <label key={name}>
                <input
                  type="radio"
                  name="latent-form"
                  checked={form === name}
                  onChange={() => change({ form: name })}
                />
                {name}
              </label>
            ))}
          </fieldset>
          <p class="faint">{FORMS_EXPLAINED[form]}</p>
        </div>
      )}
      {method !== 'exact' && (
        <>
          <Widths settings={settings} change={change} />
          <label class="check">
            <input
              type="checkbox"
              checked={refit}
              onChange={({ currentTarget }) => change({ refit: currentTarget.checked })}
            />
            <span>
              Refit <code>o_proj</code>
              <span class="faint">Each layer makes up for what the ones before it changed.</span>
            </span>
          </label>
          <MaterialFields session={session} />
        </>
      )}
      {/* One element, so that the focus stays on it. */}
      <button
        type={running ? 'button' : 'submit'}
        class={running ? 'button' : 'button button-accent'}
        disabled={!running && !readable}
        onClick={(event) => {
          if (!running) return;
          // By now it may be of the other type again.
          event.preventDefault();
          session.cancel();
        }}
      >
        {running ? 'Cancel' : 'Convert'}
      </button>
    </form>
  );
}

function BudgetSlider({ session }: { session: ConvertSession }): ComponentChildren {
  const { kvBudget, rank } = session.settings.value;
  const { min, max, step } = BUDGETS;
  const fixed = rank.trim() !== '';
  const plan = session.plan.value;
  const text = plan
    ? `${bytes(plan.bytes)} a token, ${percentOf(plan.share)} of GQA in f16`
    : fixed
      ? 'The widths make no sense for this model.'
      : `${percentOf(kvBudget)} of GQA in f16`;
  return (
    <div class="stacked">
      <label for="budget">Budget</label>
      <input
        id="budget"
        type="range"
        class="slider"
        min={min}
        max={max}
        step={step}
        disabled={fixed}
        value={kvBudget}
        aria-valuetext={text}
        style={{ '--share': (kvBudget - min) / (max - min) }}
        onInput={({ currentTarget }) => session.change({ kvBudget: currentTarget.valueAsNumber })}
      />
      <p class="budget-text">{text}</p>
    </div>
  );
}

interface WidthsProps {
  readonly settings: ConvertSettings;
  readonly change: (part: Partial<ConvertSettings>) => void;
}

function Widths({ settings, change }: WidthsProps): ComponentChildren {
  return (
    <details class="widths" open={settings.rank !== ''}>
      <summary class="faint">Exact widths instead of a budget</summary>
      <div class="width-fields">
        <div class="stacked">
          <label for="rank">
            <code>kv_lora_rank</code>
          </label>
          <input
            id="rank"
            class="field"
            type="text"
            inputMode="numeric"
            autocomplete="off"
            value={settings.rank}
            onInput={({ currentTarget }) => change({ rank: currentTarget.value })}
          />
        </div>
        <div class="stacked">
          <label for="rope">
            <code>qk_rope_head_dim</code>
          </label>
          <input
            id="rope"
            class="field"
            type="text"
            inputMode="numeric"
            autocomplete="off"
            placeholder="chosen"
            value={settings.rope}
            onInput={({ currentTarget }) => change({ rope: currentTarget.value })}
          />
        </div>
      </div>
    </details>
  );
}

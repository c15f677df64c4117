import { useSignal } from '@preact/signals';
import type { ComponentChildren } from 'preact';
import type { EngineInfo } from '../../index.ts';
import { useChat } from './chat_context.ts';
import { isValid, SAMPLING_FIELDS, withField } from './sampling_settings.ts';
import type { SamplingField, SamplingName, SamplingSettings } from './sampling_settings.ts';

/** How the next token is chosen. Takes effect with the next answer. */
export function SamplingForm(): ComponentChildren {
  const chat = useChat();
  const { sampling } = chat.settings();
  const state = chat.session.state.value;
  const defaults = state.kind === 'ready' || state.kind === 'lost' ? state.info.defaults : null;
  return (
    <section class="form-section" aria-labelledby="sampling-title">
      <div class="form-head">
        <h3 id="sampling-title">Sampling</h3>
        <button
          type="button"
          class="button button-plain button-small"
          disabled={Object.keys(sampling).length === 0}
          onClick={() => chat.configure({ sampling: {} })}
        >
          Reset to the model’s
        </button>
      </div>
      <p class="faint">Kept with this conversation; new ones begin with the same.</p>
      {SAMPLING_FIELDS.map((field) => (
        <SamplingRow
          key={field.name}
          field={field}
          value={sampling[field.name] ?? null}
          usual={defaultOf(defaults, field.name)}
          onChange={(value) => chat.configure({ sampling: withField(sampling, field.name, value) })}
        />
      ))}
      <StopField sampling={sampling} onChange={(next) => chat.configure({ sampling: next })} />
    </section>
  );
}

function defaultOf(defaults: EngineInfo['defaults'] | null, name: SamplingName): number | null {
  return name === 'seed' || name === 'max_tokens' ? null : (defaults?.[name] ?? null);
}

interface SamplingRowProps {
  readonly field: SamplingField;
  /** null: the model's default. */
  readonly value: number | null;
  /** That default, once it is known. */
  readonly usual: number | null;
  readonly onChange: (value: number | null) => void;
}

function SamplingRow({ field, value, usual, onChange }: SamplingRowProps): ComponentChildren {
  const { name, label, about, min, max, step, slider } = field;
  const wrong = useSignal(false);
  const id = `sampling-${name}`;
  return (
    <div class="setting" data-changed={value !== null}>
      <label for={id}>{label}</label>
      <input
        id={id}
        class="field number"
        type="number"
        aria-describedby={`${id}-about`}
        aria-invalid={wrong.value}
        min={min}
        max={max}
        step={step === 1 ? 1 : 'any'}
        placeholder={
          usual === null
            ? name === 'seed'
              ? 'random'
              : name === 'max_tokens'
                ? 'no limit'
                : 'default'
            : String(usual)
        }
        value={value ?? ''}
        onInput={({ currentTarget }) => {
          const { value: text, valueAsNumber, validity } = currentTarget;
          const empty = text === '' && !validity.badInput;
          wrong.value = !empty && !isValid(field, valueAsNumber);
          if (!wrong.value) onChange(empty ? null : valueAsNumber);
        }}
      />
      {slider === true && (
        <input
          type="range"
          class="slider"
          aria-label={`${label}, slider`}
          min={min}
          max={max}
          step={step}
          value={value ?? usual ?? min}
          style={{ '--share': ((value ?? usual ?? min) - min) / (max - min) }}
          onInput={({ currentTarget }) => {
            wrong.value = false;
            onChange(currentTarget.valueAsNumber);
          }}
        />
      )}
      <p id={`${id}-about`} class="faint">
        {wrong.value ? `Between ${min} and ${max}${step === 1 ? ', whole' : ''}.` : about}
      </p>
    </div>
  );
}

interface StopFieldProps {
  readonly sampling: SamplingSettings;
  readonly onChange: (sampling: SamplingSettings) => void;
}

/** One a line; a line's end within one is written \n. */
function StopField({ sampling, onChange }: StopFieldProps): ComponentChildren {
  const { stop = [], ...rest } = sampling;
  // What is typed stays as it is typed, empty lines included, until it is left.
  const typed = useSignal<string | null>(null);
  const shown = typed.value ?? stop.map((text) => text.replaceAll('\n', String.raw`\n`)).join('\n');
  return (
    <div class="setting" data-changed={stop.length > 0}>
      <label for="sampling-stop">Stop strings</label>
      <textarea
        id="sampling-stop"
        class="field wide"
        rows={2}
        aria-describedby="sampling-stop-about"
        value={shown}
        onInput={({ currentTarget }) => {
          typed.value = currentTarget.value;
          const texts = currentTarget.value
            .split('\n')
            .filter((line) => line !== '')
            .map((line) => line.replaceAll(String.raw`\n`, '\n'));
          onChange(texts.length > 0 ? { ...rest, stop: texts } : rest);
        }}
        onBlur={() => {
          typed.value = null;
        }}
      />
      <p id="sampling-stop-about" class="faint">
        The answer ends before any of them. One a line; \n is a new line.
      </p>
    </div>
  );
}

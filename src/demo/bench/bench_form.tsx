import type { ComponentChildren } from 'preact';
import { AttentionSwitch } from '../attention_switch.tsx';
import { CACHE_DTYPES, CACHE_NAMES } from '../forms.ts';
import { oneOf } from '../plain_data.ts';
import type { BenchSession } from './bench_session.ts';
import { MOST_LENGTHS, parseLengths, parseSettings, SUBJECT_NAMES } from './bench_settings.ts';
import type { BenchSettings, Subject } from './bench_settings.ts';

const SHAPES: readonly Subject[] = ['smollm2-135m', 'qwen2-0.5b', 'llama-3.2-1b'];
const MODELS: readonly Subject[] = ['embedded', 'address'];

export function BenchForm({ session }: { session: BenchSession }): ComponentChildren {
  const settings = session.settings.value;
  if (settings === null) return <div class="bench-form" />;
  const running = session.state.value.kind === 'running';
  const change = (part: Partial<BenchSettings>): void => session.change(part);
  return (
    <form
      class="bench-form"
      aria-label="What to measure"
      onSubmit={(event) => {
        event.preventDefault();
        void session.run();
      }}
    >
      <SubjectFields settings={settings} change={change} />
      <div class="stacked">
        <span>Attention</span>
        <AttentionSwitch value={settings.attention} onChange={(attention) => change({ attention })} />
      </div>
      <div class="stacked">
        <label for="cache-dtype">KV cache</label>
        <select
          id="cache-dtype"
          class="field"
          value={settings.cacheDtype}
          onChange={({ currentTarget }) =>
            change({ cacheDtype: oneOf(currentTarget.value, CACHE_DTYPES, settings.cacheDtype) })
          }
        >
          {CACHE_DTYPES.map((name) => (
            <option key={name} value={name}>
              {CACHE_NAMES[name]}
            </option>
          ))}
        </select>
      </div>
      <LengthsField
        id="contexts"
        label="Contexts"
        about="Tokens in the cache while decoding is measured."
        value={settings.contexts}
        onChange={(contexts) => change({ contexts })}
      />
      <LengthsField
        id="prefill"
        label="Prefill"
        about="Lengths of prompts."
        value={settings.prefill}
        onChange={(prefill) => change({ prefill })}
      />
      {/* One element, so that the focus stays on it. */}
      <button
        type={running ? 'button' : 'submit'}
        class={running ? 'button' : 'button button-accent'}
        onClick={(event) => {
          if (!running) return;
          // By now it may be of the other type again.
          event.preventDefault();
          session.cancel();
        }}
      >
        {running ? 'Cancel' : 'Run'}
      </button>
    </form>
  );
}

interface FieldsProps {
  readonly settings: BenchSettings;
  readonly change: (part: Partial<BenchSettings>) => void;
}

function SubjectFields({ settings, change }: FieldsProps): ComponentChildren {
  const { subject, address } = settings;
  const options = (subjects: readonly Subject[]): ComponentChildren =>
    subjects.map((one) => (
      <option key={one} value={one}>
        {one === 'address' ? 'Another model, by address' : SUBJECT_NAMES[one]}
      </option>
    ));
  return (
    <>
      <div class="stacked">
        <label for="subject">Model</label>
        <select
          id="subject"
          class="field"
          value={subject}
          onChange={({ currentTarget }) =>
            change({ subject: parseSettings({ subject: currentTarget.value }, settings).subject })
          }
        >
          <optgroup label="Shape, with random weights">{options(SHAPES)}</optgroup>
          <optgroup label="Model, with its own">{options(MODELS)}</optgroup>
        </select>
      </div>
      {subject === 'address' && (
        <div class="stacked">
          <label for="model-address">Address or Hub id</label>
          <input
            id="model-address"
            class="field"
            type="text"
            inputMode="url"
            autocomplete="off"
            spellcheck={false}
            required
            placeholder="owner/name, https://…"
            value={address}
            onInput={({ currentTarget }) => change({ address: currentTarget.value })}
          />
        </div>
      )}
    </>
  );
}

interface LengthsFieldProps {
  readonly id: string;
  readonly label: string;
  readonly about: string;
  readonly value: string;
  readonly onChange: (value: string) => void;
}

function LengthsField({ id, label, about, value, onChange }: LengthsFieldProps): ComponentChildren {
  const wrong = parseLengths(value) === null;
  return (
    <div class="stacked">
      <label for={id}>{label}</label>
      <input
        id={id}
        class="field"
        type="text"
        inputMode="text"
        autocomplete="off"
        aria-invalid={wrong}
        aria-describedby={`${id}-about`}
        value={value}
        onInput={({ currentTarget }) => onChange(currentTarget.value)}
      />
      <p id={`${id}-about`} class="faint">
        {wrong ? `Numbers with commas between them, at most ${MOST_LENGTHS}.` : about}
      </p>
    </div>
  );
}

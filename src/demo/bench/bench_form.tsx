import type { ComponentChildren } from 'preact';
import { AttentionSwitch } from '../attention_switch.tsx';
import { CACHE_DTYPES, CACHE_NAMES, PREFILL_MATHS, PREFILL_NAMES } from '../forms.ts';
import { oneOf } from '../plain_data.ts';
import { isShape } from '../subject.ts';
import { SubjectFields } from '../subject_fields.tsx';
import type { BenchSession } from './bench_session.ts';
import { latentName, LATENTS, MOST_LENGTHS, parseLengths } from './bench_settings.ts';
import type { BenchLatent, BenchSettings } from './bench_settings.ts';

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
      <SubjectFields subject={settings.subject} address={settings.address} change={change} />
      <div class="stacked">
        <span>Attention</span>
        <AttentionSwitch value={settings.attention} onChange={(attention) => change({ attention })} />
      </div>
      {settings.attention === 'mla' && isShape(settings.subject) && (
        <LatentField value={settings.latent} onChange={(latent) => change({ latent })} />
      )}
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
      <div class="stacked">
        <label for="prefill-math">Prompts are computed</label>
        <select
          id="prefill-math"
          class="field"
          value={settings.prefillMath}
          onChange={({ currentTarget }) =>
            change({ prefillMath: oneOf(currentTarget.value, PREFILL_MATHS, settings.prefillMath) })
          }
        >
          {PREFILL_MATHS.map((name) => (
            <option key={name} value={name}>
              {PREFILL_NAMES[name]}
            </option>
          ))}
        </select>
      </div>
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

interface LatentFieldProps {
  readonly value: BenchLatent | null;
  readonly onChange: (value: BenchLatent | null) => void;
}

/** Whether MLA is the lossless form, or one that shrinks the cache. */
function LatentField({ value, onChange }: LatentFieldProps): ComponentChildren {
  const choices = value && !LATENTS.some((one) => latentName(one) === latentName(value)) ? [value] : [];
  const all = [...choices, ...LATENTS];
  return (
    <div class="stacked">
      <label for="latent">Latent</label>
      <select
        id="latent"
        class="field"
        aria-describedby="latent-about"
        value={value ? latentName(value) : ''}
        onChange={({ currentTarget }) =>
          onChange(all.find((one) => latentName(one) === currentTarget.value) ?? null)
        }
      >
        <option value="">lossless, of the same size</option>
        {all.map((one) => (
          <option key={latentName(one)} value={latentName(one)}>
            {latentName(one)}
          </option>
        ))}
      </select>
      {value && (
        <p id="latent-about" class="faint">
          The widths of a converted model with random weights in them: its speed, and no answers.
        </p>
      )}
    </div>
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

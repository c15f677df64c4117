import { useSignal } from '@preact/signals';
import type { ComponentChildren } from 'preact';
import { useMemo } from 'preact/hooks';
import { BASE, settingKey, settingName } from '../../measure.ts';
import type { RaceSetting } from '../../measure.ts';
import { Icon } from '../icons.tsx';
import { oneOf } from '../plain_data.ts';
import { count } from '../quantities.ts';
import { isShape } from '../subject.ts';
import { FILLINGS, LENGTHS, MOST_SWEPT } from './latency_settings.ts';
import type { Filled, LatencySettings } from './latency_settings.ts';
import type { LatencySession } from './latency_session.ts';
import { SettingFields } from './setting_fields.tsx';
import { SweepResults } from './sweep_results.tsx';
import { WorkStatus } from './work_status.tsx';

const FILLED_NAMES: Readonly<Record<Filled, string>> = { real: 'real text', synthetic: 'zeros' };

interface SweepPartProps {
  readonly session: LatencySession;
  readonly settings: LatencySettings;
}

/** Every setting against GQA, at every context. */
export function SweepPart({ session, settings }: SweepPartProps): ComponentChildren {
  const state = session.state.value;
  const running = state.kind === 'running';
  const shape = isShape(settings.subject);
  const sweeping = running && state.work === 'sweep';
  const report = session.report.value;
  // Progress comes much more often than figures, and drawing takes time from what is measured.
  const results = useMemo(
    () => report && <SweepResults session={session} report={report} />,
    [session, report],
  );
  return (
    <section aria-labelledby="sweep-title">
      <div class="block-head">
        <h2 id="sweep-title">Sweep</h2>
      </div>
      <form
        class="sweep-form"
        aria-label="What to sweep"
        onSubmit={(event) => {
          event.preventDefault();
          void session.run('sweep');
        }}
      >
        <Entries settings={settings} onChange={(swept) => session.change({ swept })} />
        <div class="sweep-options">
          <LengthField settings={settings} onChange={(longest) => session.change({ longest })} />
          <div class="stacked">
            <span id="filled-name">Filled with</span>
            <fieldset class="segments" aria-labelledby="filled-name" disabled={shape}>
              {FILLINGS.map((one) => (
                <label key={one}>
                  <input
                    type="radio"
                    name="filled"
                    checked={(shape ? 'synthetic' : settings.filled) === one}
                    onChange={() => session.change({ filled: one })}
                  />
                  {FILLED_NAMES[one]}
                </label>
              ))}
            </fieldset>
          </div>
          <label class="check">
            <input
              type="checkbox"
              checked={settings.quality && !shape}
              disabled={shape}
              onChange={({ currentTarget }) => session.change({ quality: currentTarget.checked })}
            />
            Quality on a held-out text
          </label>
          <button
            type={sweeping ? 'button' : 'submit'}
            class={sweeping ? 'button' : 'button button-accent'}
            disabled={running && !sweeping}
            onClick={(event) => {
              if (!sweeping) return;
              // By now it may be of the other type again.
              event.preventDefault();
              session.cancel();
            }}
          >
            {sweeping ? 'Cancel sweep' : 'Run sweep'}
          </button>
        </div>
      </form>
      <WorkStatus session={session} work="sweep" />
      {results ?? (!running && <NothingYet />)}
    </section>
  );
}

interface EntriesProps {
  readonly settings: LatencySettings;
  readonly onChange: (swept: readonly RaceSetting[]) => void;
}

/** Who takes part: a list that can be added to and taken from. */
function Entries({ settings, onChange }: EntriesProps): ComponentChildren {
  const { swept } = settings;
  const next = useSignal<RaceSetting>({ form: 'recon', cacheDtype: 'f16', kvBudget: 0.5 });
  const known = [BASE, ...swept].some((one) => settingKey(one) === settingKey(next.value));
  return (
    <div class="entries">
      <ul class="chips" aria-label="Settings in the sweep">
        <li class="chip">{settingName(BASE)}</li>
        {swept.map((one) => (
          <li key={settingKey(one)} class="chip">
            {settingName(one)}
            <button
              type="button"
              class="icon-button"
              aria-label={`Remove ${settingName(one)}`}
              onClick={() => onChange(swept.filter((other) => other !== one))}
            >
              <Icon name="close" />
            </button>
          </li>
        ))}
      </ul>
      <div class="entry-new">
        <SettingFields
          of="New entry"
          value={next.value}
          onChange={(setting) => {
            next.value = setting;
          }}
        />
        <button
          type="button"
          class="button"
          disabled={known || swept.length >= MOST_SWEPT}
          onClick={() => onChange([...swept, next.value])}
        >
          Add
        </button>
      </div>
    </div>
  );
}

function LengthField({
  settings,
  onChange,
}: {
  settings: LatencySettings;
  onChange: (longest: number) => void;
}): ComponentChildren {
  const { longest } = settings;
  const lengths = LENGTHS.includes(longest) ? LENGTHS : [longest, ...LENGTHS].toSorted((a, b) => a - b);
  return (
    <div class="stacked">
      <label for="longest">Longest context</label>
      <select
        id="longest"
        class="field"
        value={String(longest)}
        onChange={({ currentTarget }) =>
          onChange(Number(oneOf(currentTarget.value, lengths.map(String), longest)))
        }
      >
        {lengths.map((one) => (
          <option key={one} value={String(one)}>
            {count(one)}
          </option>
        ))}
      </select>
    </div>
  );
}

function NothingYet(): ComponentChildren {
  return (
    <div class="nothing">
      <p>What a sweep shows</p>
      <ul>
        <li>The time of a token and the bytes of the cache at each context, GQA and MLA in turns.</li>
        <li>From which context on each setting beats GQA, or that it does not.</li>
        <li>What each setting costs in quality for the bytes that it saves.</li>
      </ul>
    </div>
  );
}

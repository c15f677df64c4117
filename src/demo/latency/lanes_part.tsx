import type { ComponentChildren } from 'preact';
import { settingName } from '../../measure.ts';
import type { LaneState, RaceSetting } from '../../measure.ts';
import { bytes, count, duration, rate } from '../quantities.ts';
import { isShape } from '../subject.ts';
import type { LanesRun, LatencySession } from './latency_session.ts';
import type { LatencySettings } from './latency_settings.ts';
import { SettingFields } from './setting_fields.tsx';
import { WorkStatus } from './work_status.tsx';

interface LanesPartProps {
  readonly session: LatencySession;
  readonly settings: LatencySettings;
}

/** Two lanes that answer the same prompt. */
export function LanesPart({ session, settings }: LanesPartProps): ComponentChildren {
  const state = session.state.value;
  const running = state.kind === 'running';
  const racing = running && state.work === 'lanes';
  const shape = isShape(settings.subject);
  return (
    <section aria-labelledby="lanes-title">
      <div class="block-head">
        <h2 id="lanes-title">Side by side</h2>
        <button type="button" class="button button-plain" disabled={running} onClick={() => session.swap()}>
          Swap sides
        </button>
      </div>
      <form
        class="lanes-form"
        aria-label="What the lanes answer"
        onSubmit={(event) => {
          event.preventDefault();
          void session.run('lanes');
        }}
      >
        <div class="stacked lanes-prompt">
          <label for="prompt">Prompt</label>
          <textarea
            id="prompt"
            class="field growing"
            rows={1}
            required
            value={settings.prompt}
            onInput={({ currentTarget }) => session.change({ prompt: currentTarget.value })}
          />
        </div>
        <NumberField
          label="Tokens"
          value={settings.maxTokens}
          min={1}
          max={4096}
          onChange={(maxTokens) => session.change({ maxTokens })}
        />
        <NumberField
          label="Temperature"
          value={settings.temperature}
          min={0}
          max={5}
          step={0.1}
          onChange={(temperature) => session.change({ temperature })}
        />
        <NumberField
          label="Seed"
          value={settings.seed}
          min={0}
          max={2 ** 32 - 1}
          onChange={(seed) => session.change({ seed })}
        />
        {/* One element, so that the focus stays on it. */}
        <button
          type={racing ? 'button' : 'submit'}
          class={racing ? 'button' : 'button button-accent'}
          disabled={shape || (running && !racing)}
          onClick={(event) => {
            if (!racing) return;
            // By now it may be of the other type again.
            event.preventDefault();
            session.cancel();
          }}
        >
          {racing ? 'Stop' : 'Start'}
        </button>
      </form>
      {shape && (
        <p class="faint lanes-hint">
          A shape has random weights and nothing to say: choose a model, or sweep it below.
        </p>
      )}
      <WorkStatus session={session} work="lanes" />
      <div class="lanes">
        {settings.lanes.map((setting, i) => (
          <Lane key={i} session={session} settings={settings} index={i === 0 ? 0 : 1} setting={setting} />
        ))}
      </div>
      <Difference run={session.lanes.value} />
    </section>
  );
}

interface NumberFieldProps {
  readonly label: string;
  readonly value: number;
  readonly min: number;
  readonly max: number;
  readonly step?: number;
  readonly onChange: (value: number) => void;
}

function NumberField({ label, value, min, max, step = 1, onChange }: NumberFieldProps): ComponentChildren {
  const id = `lanes-${label.toLowerCase()}`;
  return (
    <div class="stacked lanes-number">
      <label for={id}>{label}</label>
      <input
        id={id}
        class="field number"
        type="number"
        required
        min={min}
        max={max}
        step={step}
        value={value}
        onChange={({ currentTarget }) => {
          if (currentTarget.validity.valid) onChange(currentTarget.valueAsNumber);
        }}
      />
    </div>
  );
}

interface LaneProps {
  readonly session: LatencySession;
  readonly settings: LatencySettings;
  readonly index: 0 | 1;
  readonly setting: RaceSetting;
}

function Lane({ session, settings, index, setting }: LaneProps): ComponentChildren {
  const side = index === 0 ? 'Left lane' : 'Right lane';
  const run = session.lanes.value;
  const lane = run?.state.lanes[index] ?? null;
  const change = (next: RaceSetting): void => {
    const { lanes } = settings;
    session.change({ lanes: index === 0 ? [next, lanes[1]] : [lanes[0], next] });
  };
  return (
    <section class="lane" data-form={setting.form === 'gqa' ? 'gqa' : 'mla'} aria-label={side}>
      <SettingFields of={side} value={setting} onChange={change} />
      <dl class="lane-figures">
        <Figure
          name="tokens/s"
          value={lane?.tokensPerSecond == null ? '–' : rate(lane.tokensPerSecond)}
          large
        />
        <Figure
          name="to the first token"
          value={lane?.timeToFirstTokenMs == null ? '–' : duration(lane.timeToFirstTokenMs)}
        />
        <Figure name="device memory" value={lane ? bytes(memoryOf(lane)) : '–'} />
      </dl>
      <KvBar run={run} index={index} />
      {/* oxlint-disable-next-line jsx-a11y/no-noninteractive-tabindex -- scrolls with the arrow keys */}
      <div class="lane-text" role="group" aria-label={`Text of the ${side.toLowerCase()}`} tabIndex={0}>
        {run && lane ? <MarkedText run={run} index={index} /> : <span class="faint">Nothing raced yet.</span>}
      </div>
      {run && lane && settingName(run.settings[index]) !== settingName(setting) && (
        <p class="faint">This was {settingName(run.settings[index])}.</p>
      )}
    </section>
  );
}

function memoryOf({ memory }: LaneState): number {
  return memory.weights + memory.cache + memory.activations;
}

function Figure({
  name,
  value,
  large = false,
}: {
  name: string;
  value: string;
  large?: boolean;
}): ComponentChildren {
  return (
    <div data-large={large}>
      <dt>{name}</dt>
      <dd>{value}</dd>
    </div>
  );
}

/** What the cache holds now, of what the larger of both will hold in the end: one scale for both lanes. */
function KvBar({ run, index }: { run: LanesRun | null; index: 0 | 1 }): ComponentChildren {
  const lane = run?.state.lanes[index];
  if (!run || !lane) return <div class="kv" aria-hidden="true" />;
  const [held, room] = [lane.tokens + lane.promptTokens, lane.promptTokens + run.maxTokens];
  const largest = Math.max(...run.state.lanes.map(({ kvBytesPerToken }) => kvBytesPerToken)) * room;
  const [now, end] = [held * lane.kvBytesPerToken, room * lane.kvBytesPerToken];
  return (
    <div class="kv">
      <p>
        KV cache {bytes(now)} <span class="faint">of {bytes(end)}</span>
      </p>
      <div class="kv-scale" aria-hidden="true">
        <div class="kv-room" style={{ transform: `scaleX(${end / largest})` }} />
        <div class="kv-held" style={{ transform: `scaleX(${now / largest})` }} />
      </div>
    </div>
  );
}

/** The text, set apart from where the other lane says something else. */
function MarkedText({ run, index }: { run: LanesRun; index: 0 | 1 }): ComponentChildren {
  const { lanes, differsAt } = run.state;
  const text = lanes[index].text;
  if (!differsAt) return text;
  const at = differsAt.characters[index];
  return (
    <>
      {text.slice(0, at)}
      <mark>{text.slice(at)}</mark>
    </>
  );
}

function Difference({ run }: { run: LanesRun | null }): ComponentChildren {
  if (!run) return null;
  const [left, right] = run.state.lanes;
  const { differsAt, calibrationTokens } = run.state;
  const same = Math.min(left.tokens, right.tokens);
  return (
    <p class="faint lanes-hint">
      {differsAt
        ? `They differ from token ${count(differsAt.token + 1)} on, which is marked.`
        : `The same so far: ${count(same)} tokens of both.`}{' '}
      They take turns on the GPU, each with a clock of its own, so neither waits for the other.
      {calibrationTokens !== null && ` Conversions were calibrated on ${count(calibrationTokens)} tokens.`}
    </p>
  );
}

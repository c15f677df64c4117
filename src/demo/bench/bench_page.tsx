import type { ComponentChildren } from 'preact';
import { device } from '../device.ts';
import { DeviceFacts } from '../device_facts.tsx';
import { FailureText } from '../failure_text.tsx';
import { ProgressPanel } from '../progress_panel.tsx';
import { rate } from '../quantities.ts';
import { ToolPage } from '../tool_page.tsx';
import { BenchForm } from './bench_form.tsx';
import type { BenchSession } from './bench_session.ts';
import { Results } from './results.tsx';

export function BenchPage({ session }: { session: BenchSession }): ComponentChildren {
  const { measurements } = session;
  const limit = measurements.value.findLast(({ result }) => result.streamingGBs !== null)?.result
    .streamingGBs;
  const found = device.value;
  return (
    <ToolPage
      name="Benchmark"
      title="How fast is this device?"
      lead="Decoding and prefill of a model, or of a model’s shape with random 4-bit weights, measured here and now. Nothing is sent anywhere."
      spoken={session.spoken.value}
      onCancel={() => session.cancel()}
    >
      <DeviceFacts>
        {limit != null && <span class="device-limit">streams {rate(limit)} GB/s</span>}
      </DeviceFacts>
      {found.kind === 'found' && found.info.software && (
        <p class="note device-note">
          This is a software adapter: its answers are right, its figures say nothing about a GPU.
        </p>
      )}
      <div class="bench-columns">
        <BenchForm session={session} />
        <div class="blocks">
          <Status session={session} />
          {measurements.value.length > 0 ? (
            <Results session={session} />
          ) : (
            session.state.value.kind === 'idle' && <NothingYet />
          )}
        </div>
      </div>
    </ToolPage>
  );
}

function Status({ session }: { session: BenchSession }): ComponentChildren {
  const state = session.state.value;
  if (state.kind === 'idle') return null;
  if (state.kind === 'running') {
    const { what, share } = state.progress;
    return (
      <ProgressPanel
        title="Measuring"
        detail={what.charAt(0).toUpperCase() + what.slice(1)}
        share={share}
        cancelling={state.cancelling}
      />
    );
  }
  const { failure } = state;
  const cancelled = failure.code === 'aborted';
  return (
    <section class="panel" role="alert" data-mild={cancelled}>
      <FailureText
        title={cancelled ? 'Cancelled' : 'It could not be measured'}
        failure={cancelled ? { ...failure, message: 'What was measured until then is kept.' } : failure}
      />
    </section>
  );
}

function NothingYet(): ComponentChildren {
  return (
    <section class="nothing" aria-label="Results">
      <p>What a run shows</p>
      <ul>
        <li>Tokens a second behind each context, seven runs each, in turns.</li>
        <li>Where the time of a token goes, operation by operation, held against what the memory can do.</li>
        <li>Prefill: how fast prompts are read.</li>
      </ul>
      <p>Run it again with other settings, and both are drawn in one plot.</p>
    </section>
  );
}

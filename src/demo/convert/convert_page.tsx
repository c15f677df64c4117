import type { ComponentChildren } from 'preact';
import { useCallback } from 'preact/hooks';
import { device } from '../device.ts';
import { DeviceFacts } from '../device_facts.tsx';
import { DropZone } from '../drop_zone.tsx';
import { choiceFromDrop } from '../dropped_files.ts';
import { FailureText } from '../failure_text.tsx';
import { ToolPage } from '../tool_page.tsx';
import { BudgetForm } from './budget_form.tsx';
import type { ConvertSession } from './convert_session.ts';
import { materialFrom } from './dropped_material.ts';
import { ModelFields } from './model_fields.tsx';
import { Prediction } from './prediction.tsx';
import { Results } from './results.tsx';
import { WorkPanel } from './work_panel.tsx';

export function ConvertPage({ session }: { session: ConvertSession }): ComponentChildren {
  const onDrop = useCallback((data: DataTransfer) => void takeDrop(session, data), [session]);
  const found = device.value;
  return (
    <ToolPage
      name="Convert"
      title="Make a model’s cache smaller"
      lead="Grouped-query attention is rewritten to a small latent (MLA), here, on this device: choose what a token may take in the cache, see what it costs, and chat with the result. Nothing is sent anywhere."
      spoken={session.spoken.value}
      onCancel={() => session.cancel()}
    >
      <DeviceFacts />
      {found.kind === 'found' && found.info.software && (
        <p class="note convert-note">
          This is a software adapter: right, but slow. Small models and few tokens of calibration suit it.
        </p>
      )}
      <div class="convert-columns">
        <div class="convert-side">
          <ModelFields session={session} />
          <BudgetForm session={session} />
        </div>
        <div class="blocks">
          <Status session={session} />
          <Prediction session={session} />
          {session.records.value.length > 0 ? (
            <Results session={session} />
          ) : (
            session.curve.value === null && session.state.value.kind !== 'running' && <NothingYet />
          )}
        </div>
      </div>
      <DropZone text="Drop a model, a text to calibrate on, or a file of statistics" onDrop={onDrop} />
    </ToolPage>
  );
}

async function takeDrop(session: ConvertSession, data: DataTransfer): Promise<void> {
  const files = [...data.files];
  const [choice, material] = await Promise.all([choiceFromDrop(data), materialFrom(files).catch(() => null)]);
  if (material) session.material.value = material;
  else if (choice) void session.choose(choice);
}

function Status({ session }: { session: ConvertSession }): ComponentChildren {
  const state = session.state.value;
  if (state.kind === 'idle') return null;
  if (state.kind === 'running') {
    const { goal, view, cancelling } = state;
    return <WorkPanel goal={goal} view={view} cancelling={cancelling} onCancel={() => session.cancel()} />;
  }
  const { failure, goal } = state;
  const cancelled = failure.code === 'aborted';
  const kept = session.calibrated.value ? 'The calibration is kept.' : 'Nothing was made.';
  return (
    <section class="panel" role="alert" data-mild={cancelled}>
      <FailureText
        title={cancelled ? 'Cancelled' : TITLES[goal]}
        failure={cancelled ? { ...failure, message: kept } : failure}
      />
      {goal === 'open' && (
        <div class="remedies">
          <button type="button" class="button" onClick={() => void session.run('open')}>
            Read it again
          </button>
        </div>
      )}
    </section>
  );
}

const TITLES = {
  open: 'The model could not be read',
  calibrate: 'The model could not be calibrated',
  convert: 'The model could not be converted',
} as const;

function NothingYet(): ComponentChildren {
  return (
    <section class="nothing" aria-label="Results">
      <p>What happens</p>
      <ul>
        <li>Calibrate: text runs through the model, layer by layer, and shows what its cache is used for.</li>
        <li>Predict: what every budget would cost, before anything is converted.</li>
        <li>Convert: every layer is rewritten, and its output refitted on the layers before.</li>
        <li>Measure: perplexity against the original, on text that the calibration did not see.</li>
      </ul>
      <p>The calibration is kept while this page is open, so that another budget takes less time.</p>
    </section>
  );
}

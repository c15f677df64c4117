import type { ComponentChildren } from 'preact';
import type { Verification } from '../../verify/verify_device.ts';
import { CopyButton } from '../copy_button.tsx';
import { device } from '../device.ts';
import { DeviceFacts } from '../device_facts.tsx';
import { FailureText } from '../failure_text.tsx';
import { ProgressPanel } from '../progress_panel.tsx';
import { count, plural } from '../quantities.ts';
import { ToolPage } from '../tool_page.tsx';
import { KernelTable } from './kernel_table.tsx';
import { kernelViews, markdownOf, resultOf, shareOf } from './verify_result.ts';
import type { VerifySession } from './verify_session.ts';

export function VerifyPage({ session }: { session: VerifySession }): ComponentChildren {
  const found = session.found.value;
  const running = session.state.value.kind === 'running';
  return (
    <ToolPage
      name="Verify"
      title="Does this device compute what it should?"
      lead="Every kernel runs here in small, awkward and real shapes, and each number is held against a plain twin of it on the CPU."
      spoken={session.spoken.value}
      onCancel={() => session.cancel()}
    >
      <DeviceFacts />
      {session.only !== null && (
        <p class="faint verify-only">
          Only {session.only.join(', ')}, as the address of this page asks.{' '}
          <a href={location.pathname}>Verify all</a>
        </p>
      )}
      <div class="blocks verify-blocks">
        <Status session={session} />
        {found && (
          <section aria-labelledby="kernels-title">
            <div class="block-head">
              <h2 id="kernels-title">Kernels</h2>
              {!running && <Copies session={session} found={found} />}
            </div>
            <KernelTable kernels={kernelViews(found, running)} />
          </section>
        )}
      </div>
    </ToolPage>
  );
}

function Status({ session }: { session: VerifySession }): ComponentChildren {
  const state = session.state.value;
  const found = session.found.value;
  const run = (label: string): ComponentChildren => (
    <button
      type="button"
      class="button button-accent"
      disabled={device.value.kind !== 'found'}
      onClick={() => void session.run()}
    >
      {label}
    </button>
  );
  if (state.kind === 'running') {
    return (
      <ProgressPanel
        title="Verifying"
        detail={found ? detailOf(found) : 'starting'}
        share={found ? shareOf(found) : 0}
        cancelling={state.cancelling}
        onCancel={() => session.cancel()}
      />
    );
  }
  if (state.kind === 'failed') {
    const { failure } = state;
    const cancelled = failure.code === 'aborted';
    return (
      <section class="panel" role="alert" data-mild={cancelled}>
        <FailureText
          title={cancelled ? 'Cancelled' : 'The kernels could not be verified'}
          failure={cancelled ? { ...failure, message: 'The list is not complete.' } : failure}
        />
        <div class="remedies">{run('Run again')}</div>
      </section>
    );
  }
  if (!found) return <div>{run('Verify')}</div>;
  return (
    <div class="verdict">
      <Verdict found={found} />
      {run('Run again')}
    </div>
  );
}

function Verdict({ found }: { found: Verification }): ComponentChildren {
  const { passed, failed } = resultOf(found);
  return (
    <p class="verdict-text" data-state={failed === 0 ? 'passed' : 'failed'}>
      <strong>
        {failed === 0 ? `All ${plural(passed, 'case')} passed` : `${plural(failed, 'case')} failed`}
      </strong>
      <span>
        {failed === 0
          ? `${plural(found.kernels.length, 'kernel')} on this device`
          : `${count(passed)} passed. What this device says cannot be trusted where a kernel failed.`}
      </span>
    </p>
  );
}

function detailOf({ now, cases }: Verification): string {
  if (now === null) return plural(cases.length, 'case');
  return now.total === 0 ? `${now.kernel}: CPU twin` : `${now.kernel}, case ${now.done} of ${now.total}`;
}

function Copies({ session, found }: { session: VerifySession; found: Verification }): ComponentChildren {
  const announce = (said: string): void => {
    session.spoken.value = said;
  };
  return (
    <div class="actions">
      <CopyButton wide label="Copy Markdown" text={markdownOf(found)} announce={announce} />
      <CopyButton
        wide
        label="Copy JSON"
        text={JSON.stringify(resultOf(found), null, 2)}
        announce={announce}
      />
    </div>
  );
}

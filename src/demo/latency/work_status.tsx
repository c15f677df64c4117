import type { ComponentChildren } from 'preact';
import type { RaceRequest } from '../../measure.ts';
import { FailureText } from '../failure_text.tsx';
import { ProgressPanel } from '../progress_panel.tsx';
import type { LatencySession } from './latency_session.ts';

/** How a piece of work stands, beside what it makes. */
export function WorkStatus({
  session,
  work,
}: {
  session: LatencySession;
  work: RaceRequest['kind'];
}): ComponentChildren {
  const state = session.state.value;
  if (state.kind === 'idle' || state.work !== work) return null;
  if (state.kind === 'running') {
    const { what, share, cancelling } = state;
    return (
      <ProgressPanel
        title={work === 'lanes' ? 'Race' : 'Sweep'}
        detail={what.charAt(0).toUpperCase() + what.slice(1)}
        share={share}
        cancelling={cancelling}
      />
    );
  }
  const { failure } = state;
  const cancelled = failure.code === 'aborted';
  return (
    <section class="panel" role="alert" data-mild={cancelled}>
      <FailureText
        title={cancelled ? 'Stopped' : 'It could not be measured'}
        failure={cancelled ? { ...failure, message: 'What came of it until then is kept.' } : failure}
      />
    </section>
  );
}

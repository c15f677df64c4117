import type { ComponentChildren } from 'preact';
import { useChat } from './chat_context.ts';
import { Composer } from './composer.tsx';
import { failureOf } from '../failure.ts';
import { FailureText } from '../failure_text.tsx';
import { LiveStrip } from './live_strip.tsx';
import { LoadPanel } from './load_panel.tsx';
import { labelOf, keyOf } from '../model_choice.ts';
import { ModelMismatch } from './model_mismatch.tsx';
import type { ModelState } from './model_session.ts';
import { RemedyButtons } from './remedy_buttons.tsx';

/** The lower end of the page: what the model is at, the message box, the figures. */
export function Dock(): ComponentChildren {
  const chat = useChat();
  const state = chat.session.state.value;
  return (
    <div class="dock">
      <div class="dock-column">
        <ModelStatus state={state} />
        <Composer />
      </div>
      <LiveStrip />
    </div>
  );
}

function ModelStatus({ state }: { state: ModelState }): ComponentChildren {
  const chat = useChat();
  switch (state.kind) {
    case 'none':
      return null;
    case 'loading':
      return <LoadPanel state={state} />;
    case 'ready':
      return <ModelMismatch />;
    case 'lost':
    case 'failed': {
      const { error, request } = state;
      // With an empty conversation the whole page says it.
      if (error.code === 'no_webgpu' && !chat.shelf.current.value) return null;
      return (
        <section class="panel" role="alert" data-mild={error.code === 'aborted'}>
          <FailureText title={titleOf(state)} failure={failureOf(error)} />
          <RemedyButtons error={error} request={request} />
        </section>
      );
    }
  }
}

function titleOf(state: Extract<ModelState, { kind: 'lost' | 'failed' }>): string {
  if (state.kind === 'lost') return 'The GPU was lost; the conversation is still here';
  const name = labelOf(keyOf(state.request.choice));
  return state.error.code === 'aborted' ? `${name} is not loaded` : `${name} could not be loaded`;
}

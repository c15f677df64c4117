import type { ComponentChildren } from 'preact';
import { useChat } from './chat_context.ts';
import { labelOf, keyOf } from '../model_choice.ts';
import type { ModelState } from './model_session.ts';

/** A bar of stages: how far each is, what is being done, and a way out. */
export function LoadPanel({ state }: { state: Extract<ModelState, { kind: 'loading' }> }): ComponentChildren {
  const chat = useChat();
  const { stages, now, overall, detail } = state.tracker.view.value;
  const name = labelOf(keyOf(state.request.choice));
  return (
    <section class="panel load" aria-label={`Loading ${name}`}>
      <div class="load-head">
        <p class="load-title">
          Loading <strong>{name}</strong>
        </p>
        <button type="button" class="button button-plain button-small" onClick={() => chat.session.cancel()}>
          Cancel
        </button>
      </div>
      <div
        class="load-bar"
        role="progressbar"
        aria-label={`Loading ${name}`}
        aria-valuemin={0}
        aria-valuemax={100}
        aria-valuenow={Math.round(overall * 100)}
        aria-valuetext={detail}
      >
        {stages.map(({ stage, name: title, width, done }) => (
          <div
            key={stage}
            class="load-stage"
            data-state={done >= 1 ? 'done' : done > 0 || stage === now ? 'now' : 'todo'}
            style={{ flexGrow: width }}
          >
            <div class="load-track">
              <div class="load-fill" style={{ transform: `scaleX(${done})` }} />
            </div>
            <span>{title}</span>
          </div>
        ))}
      </div>
      <p class="load-detail">{detail}</p>
    </section>
  );
}

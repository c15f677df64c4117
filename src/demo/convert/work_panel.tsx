import type { ComponentChildren } from 'preact';
import { useEffect, useRef } from 'preact/hooks';
import type { Goal } from '../../conversion.ts';
import type { WorkView } from './stage_tracker.ts';

interface WorkPanelProps {
  readonly goal: Goal;
  readonly view: WorkView;
  readonly cancelling: boolean;
  readonly onCancel: () => void;
}

const TITLES: Readonly<Record<Goal, string>> = {
  open: 'Reading',
  calibrate: 'Calibrating',
  convert: 'Converting',
};

/** Stages of the work, how far each is, for how long still, and a way out. */
export function WorkPanel({ goal, view, cancelling, onCancel }: WorkPanelProps): ComponentChildren {
  const panel = useRef<HTMLElement>(null);
  // On a phone it begins below what was pressed; a page that opens stays where it is.
  useEffect(() => {
    if (goal !== 'open') panel.current?.scrollIntoView({ block: 'nearest' });
  }, []);
  const title = TITLES[goal];
  const { stages, now, overall, detail } = view;
  return (
    <section ref={panel} class="panel" aria-label={title}>
      <div class="load-head">
        <p class="load-title">
          <strong>{title}</strong>
        </p>
        <button
          type="button"
          class="button button-plain button-small"
          aria-label={`Cancel ${title.toLowerCase()}`}
          disabled={cancelling}
          onClick={onCancel}
        >
          {cancelling ? 'Cancelling' : 'Cancel'}
        </button>
      </div>
      <div
        class="load-bar"
        role="progressbar"
        aria-label={title}
        aria-valuemin={0}
        aria-valuemax={100}
        aria-valuenow={Math.round(overall * 100)}
        aria-valuetext={detail}
      >
        {stages.map(({ stage, name, width, done }) => (
          <div
            key={stage}
            class="load-stage"
            data-state={stage === now ? 'now' : done >= 1 ? 'done' : 'todo'}
            style={{ flexGrow: width }}
          >
            <div class="load-track">
              <div class="load-fill" style={{ transform: `scaleX(${done})` }} />
            </div>
            <span>{name}</span>
          </div>
        ))}
      </div>
      <p class="load-detail">{cancelling ? 'Cancelling' : detail}</p>
    </section>
  );
}

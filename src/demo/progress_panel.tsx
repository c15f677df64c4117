import type { ComponentChildren } from 'preact';
import { useEffect, useRef } from 'preact/hooks';

interface ProgressPanelProps {
  readonly title: string;
  /** What is being done, in words. */
  readonly detail: string;
  /** 0 to 1 */
  readonly share: number;
  readonly cancelling: boolean;
  /** Where nothing else on the page does it. */
  readonly onCancel?: () => void;
}

/** How far it is, what is being done, and a way out. */
export function ProgressPanel(props: ProgressPanelProps): ComponentChildren {
  const { title, detail, share, cancelling, onCancel } = props;
  const panel = useRef<HTMLElement>(null);
  // On a phone it begins below what was pressed.
  useEffect(() => panel.current?.scrollIntoView({ block: 'nearest' }), []);
  return (
    <section ref={panel} class="panel" aria-label={title}>
      <div class="load-head">
        <p class="load-title">
          <strong>{title}</strong>
        </p>
        {onCancel && (
          <button
            type="button"
            class="button button-plain button-small"
            disabled={cancelling}
            onClick={onCancel}
          >
            {cancelling ? 'Cancelling' : 'Cancel'}
          </button>
        )}
      </div>
      <div
        class="load-track"
        role="progressbar"
        aria-label={title}
        aria-valuemin={0}
        aria-valuemax={100}
        aria-valuenow={Math.round(share * 100)}
        aria-valuetext={detail}
      >
        <div class="load-fill" style={{ transform: `scaleX(${share})` }} />
      </div>
      <p class="load-detail">{cancelling ? 'Cancelling' : detail}</p>
    </section>
  );
}

import type { ComponentChildren } from 'preact';
import type { Entrant } from './latency_report.ts';
import { markPath, styleOf } from './series_style.ts';

/** Which line is whose: the numbers stand in the plots, too. */
export function Legend({ entrants }: { entrants: readonly Entrant[] }): ComponentChildren {
  return (
    <ol class="legend" aria-label="Settings">
      {entrants.map(({ number, name, setting }) => {
        const style = styleOf(setting);
        return (
          <li key={number}>
            <svg class="series" data-form={style.form} width="34" height="12" aria-hidden="true">
              <line class="series-line" x1="1" x2="33" y1="6" y2="6" stroke-dasharray={style.dashes} />
              <path class="series-mark" d={markPath(style, 17, 6, 3.5)} />
            </svg>
            <span class="number">{number}</span> {name}
          </li>
        );
      })}
    </ol>
  );
}

import type { ComponentChildren } from 'preact';

/** Strokes on a grid of 20, drawn for this page. */
const PATHS = {
  plus: 'M10 4v12M4 10h12',
  menu: 'M3 6h14M3 10h14M3 14h9',
  sliders: 'M3 6h8M15 6h2M3 14h2M9 14h8M13 4v4M7 12v4',
  close: 'M5 5l10 10M15 5L5 15',
  check: 'M4 10.5l4 4 8-9',
  copy: 'M7 7V4h9v9h-3M4 7h9v9H4z',
  pencil: 'M4 16l.8-3.4L13 4.4l2.6 2.6-8.2 8.2L4 16zM11.5 6l2.5 2.5',
  again: 'M15.5 8.5A6 6 0 1 0 16 11M16 4.5v4h-4',
  up: 'M10 16V4.5M5 9l5-5 5 5',
  down: 'M10 4v11.5M5 11l5 5 5-5',
  stop: 'M6 6h8v8H6z',
  trash: 'M4 6h12M8 6V4h4v2M6 6l.7 10h6.6L14 6M8.7 9v4M11.3 9v4',
  chevron: 'M6 8l4 4 4-4',
  folder: 'M3 5.5h5l1.5 2H17v8H3z',
  file: 'M6 3h5l3.5 3.5V17H6zM11 3v4h3.5',
  sun: 'M10 7a3 3 0 1 0 0 6 3 3 0 0 0 0-6zM10 2.5v1.5M10 16v1.5M2.5 10H4M16 10h1.5M4.7 4.7l1 1M14.3 14.3l1 1M4.7 15.3l1-1M14.3 5.7l1-1',
  moon: 'M15.5 12A6.5 6.5 0 0 1 8 4.5 6 6 0 1 0 15.5 12z',
  screen: 'M3 4.5h14v9H3zM7.5 16.5h5',
  search: 'M8.8 4a4.8 4.8 0 1 0 0 9.6 4.8 4.8 0 0 0 0-9.6zM12.4 12.4L16 16',
  warning: 'M10 3.5L17 16H3zM10 8.5v3.5M10 14v.2',
} as const;

export type IconName = keyof typeof PATHS;

/** Beside a word or under an accessible name: never read out by itself. */
export function Icon({ name }: { name: IconName }): ComponentChildren {
  return (
    <svg class="icon" viewBox="0 0 20 20" aria-hidden="true">
      <path d={PATHS[name]} />
    </svg>
  );
}

/** Many heads into one latent: the mark of the project. */
export function Mark(): ComponentChildren {
  return (
    <svg class="mark" viewBox="0 0 24 24" aria-hidden="true">
      <path class="mark-heads" d="M3 5h5M3 9.67h5M3 14.33h5M3 19h5" />
      <path
        class="mark-flow"
        d="M8 5c5 0 4 7 9 7M8 9.67c4 0 5 2.33 9 2.33M8 14.33c4 0 5-2.33 9-2.33M8 19c5 0 4-7 9-7"
      />
      <path class="mark-latent" d="M17 12h4" />
    </svg>
  );
}

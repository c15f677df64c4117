import { kept } from './kept.ts';
import { oneOf } from './plain_data.ts';

export const THEMES = ['system', 'light', 'dark'] as const;
export type Theme = (typeof THEMES)[number];

/** Kept under the key that public/theme.js reads before the first paint. */
export const theme = kept<Theme>('theme', (stored) => oneOf(stored, THEMES, 'system'));

theme.subscribe((choice) => {
  const { dataset } = document.documentElement;
  if (choice === 'system') delete dataset['theme'];
  else dataset['theme'] = choice;
});

import { signal } from '@preact/signals';

/** The width from which the conversations have a column of their own; chat.css has the same. */
const query = matchMedia('(min-width: 900px)');

export const wideScreen = signal(query.matches);

query.addEventListener('change', ({ matches }) => {
  wideScreen.value = matches;
});

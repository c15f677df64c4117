/** Each row of each token on its own. */
export { rotate as rotate_rows } from './rotate.ts';

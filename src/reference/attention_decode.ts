/** The same as attention_partial, of one token. */
export { attention_partial as attention_decode } from './attention_partial.ts';

/** The same sums as attention_partial: only the work is shared out otherwise. */
export { attention_partial as attention_prefill } from './attention_partial.ts';

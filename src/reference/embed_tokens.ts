import { at } from './at.ts';

/**
 * @param table [vocab_size, hidden_size]
 * @returns [ids, hidden_size]
 */
export function embed_tokens(table: Float32Array, hidden_size: number, ids: ArrayLike<number>): Float32Array {
  const out = new Float32Array(ids.length * hidden_size);
  for (let t = 0; t < ids.length; t++) {
    for (let i = 0; i < hidden_size; i++) out[t * hidden_size + i] = at(table, at(ids, t) * hidden_size + i);
  }
  return out;
}

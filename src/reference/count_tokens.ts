import { at } from './at.ts';

/** Sets the top bit of counts[id] for each id of the prompt; changes and returns `counts`. */
export function count_tokens(counts: Uint32Array, ids: ArrayLike<number>): Uint32Array {
  for (let i = 0; i < ids.length; i++) counts[at(ids, i)] = (at(counts, at(ids, i)) | 0x80000000) >>> 0;
  return counts;
}

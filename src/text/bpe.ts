/**
 * Byte-pair encoding of one piece of text: the neighbouring pair of tokens with the best rank is merged, the leftmost
 * first, until none is left. O(n log n), whatever the piece.
 * Own code, because the library's keeps every pair as a JSON string and every symbol as an object: 20 times slower on a
 * text without a pre-tokenizer (Llama 2: 14 s and half a gigabyte for a megabyte of text). Method: merge_all in
 * tokenizers/src/models/bpe/word.rs.
 */
export class BytePairMerger {
  readonly #pairs: PairTable;
  /** Token that a merge makes, by rank. */
  readonly #made: Int32Array;

  // One set of working arrays for all pieces; they only grow.
  #ids = new Int32Array(64);
  #next = new Int32Array(64);
  #previous = new Int32Array(64);
  /** Binary heap of candidates, rank * 2^26 + position: exact up to 2^27 merges and 2^26 symbols. */
  #heap = new Float64Array(256);
  #heapSize = 0;

  /** @param merges [left id, right id, id of both together], best first */
  constructor(merges: readonly (readonly [number, number, number])[]) {
    this.#pairs = new PairTable(merges);
    this.#made = Int32Array.from(merges, (merge) => merge[2]);
  }

  /** @returns `ids` with everything merged that can be */
  merge(ids: readonly number[]): number[] {
    const count = ids.length;
    if (count < 2) return [...ids];
    this.#reserve(count);
    const next = this.#next;
    const previous = this.#previous;
    for (let i = 0; i < count; i++) {
      this.#ids[i] = ids[i] ?? 0;
      next[i] = i + 1 < count ? i + 1 : -1;
      previous[i] = i - 1;
    }
    this.#heapSize = 0;
    for (let i = 0; i + 1 < count; i++) this.#propose(i);

    while (this.#heapSize > 0) {
      const best = this.#pop();
      const rank = Math.floor(best / POSITIONS);
      const at = best - rank * POSITIONS;
      const right = next[at] ?? -1;
      // Its symbols may have been merged with others since.
      if (this.#ids[at] === GONE || right < 0 || this.#rankAt(at, right) !== rank) continue;
      this.#ids[at] = this.#made[rank] ?? 0;
      this.#ids[right] = GONE;
      const after = next[right] ?? -1;
      next[at] = after;
      if (after >= 0) previous[after] = at;
      const before = previous[at] ?? -1;
      if (before >= 0) this.#propose(before);
      if (after >= 0) this.#propose(at);
    }

    const merged: number[] = [];
    for (let i = 0; i >= 0; i = next[i] ?? -1) merged.push(this.#ids[i] ?? 0);
    return merged;
  }

  #rankAt(left: number, right: number): number {
    return this.#pairs.rankOf(this.#ids[left] ?? 0, this.#ids[right] ?? 0);
  }

  /** Puts the pair that begins at symbol `at` on the heap, if it can be merged. */
  #propose(at: number): void {
    const rank = this.#rankAt(at, this.#next[at] ?? 0);
    if (rank < 0) return;
    const heap = this.#heap;
    const candidate = rank * POSITIONS + at;
    let i = this.#heapSize++;
    while (i > 0) {
      const parent = (i - 1) >> 1;
      const above = heap[parent] ?? 0;
      if (above <= candidate) break;
      heap[i] = above;
      i = parent;
    }
    heap[i] = candidate;
  }

  #pop(): number {
    const heap = this.#heap;
    const best = heap[0] ?? 0;
    const last = heap[--this.#heapSize] ?? 0;
    const size = this.#heapSize;
    let i = 0;
    for (let child = 1; child < size; child = 2 * i + 1) {
      if (child + 1 < size && (heap[child + 1] ?? 0) < (heap[child] ?? 0)) child++;
      const below = heap[child] ?? 0;
      if (below >= last) break;
      heap[i] = below;
      i = child;
    }
    heap[i] = last;
    return best;
  }

  #reserve(count: number): void {
    if (this.#ids.length >= count) return;
    const size = 2 ** Math.ceil(Math.log2(count));
    this.#ids = new Int32Array(size);
    this.#next = new Int32Array(size);
    this.#previous = new Int32Array(size);
    // Every pair once at the beginning, and two at most for each merge.
    this.#heap = new Float64Array(3 * size);
  }
}

/** Symbol that was merged into its left neighbour. */
const GONE = -1;
const POSITIONS = 2 ** 26;

/** Hash table from a pair of ids to the rank of its merge; open addressing, at most half full. */
class PairTable {
  readonly #mask: number;
  /** left, right, rank + 1 in turn; 0 is an empty place. */
  readonly #entries: Int32Array;

  constructor(merges: readonly (readonly [number, number, number])[]) {
    const size = 2 ** Math.ceil(Math.log2(2 * merges.length + 2));
    this.#mask = size - 1;
    this.#entries = new Int32Array(3 * size);
    merges.forEach(([left, right], rank) => {
      const place = this.#place(left, right);
      this.#entries[place] = left;
      this.#entries[place + 1] = right;
      // A pair that is listed twice takes its last rank, as in Rust.
      this.#entries[place + 2] = rank + 1;
    });
  }

  /** @returns -1 for a pair without a merge */
  rankOf(left: number, right: number): number {
    return (this.#entries[this.#place(left, right) + 2] ?? 0) - 1;
  }

  /** Where the pair is, or would be put. */
  #place(left: number, right: number): number {
    const entries = this.#entries;
    let slot = Math.imul(Math.imul(left, 0x9e3779b1) ^ right, 0x85ebca6b);
    slot = (slot ^ (slot >>> 15)) & this.#mask;
    for (;;) {
      const place = 3 * slot;
      if (entries[place + 2] === 0 || (entries[place] === left && entries[place + 1] === right)) return place;
      slot = (slot + 1) & this.#mask;
    }
  }
}

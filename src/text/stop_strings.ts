import { WebMlaError } from '../core/errors.ts';

interface Node {
  readonly next: Map<number, Node>;
  /** Code units from the root: of the text so far, what may become a stop string. */
  readonly depth: number;
  /** Node of the longest proper suffix that also begins a stop string. */
  fallback: Node | null;
  /** Length of the longest stop string that ends here, 0 for none. */
  stopLength: number;
}

export interface StopResult {
  /** Text that is certainly before any stop string. */
  readonly text: string;
  readonly stopped: boolean;
}

/**
 * Ends a text before the first stop string that becomes complete in it. Of several that end at the same character, the
 * longest counts. It does not matter where the pieces of the text are cut.
 * Method: Aho and Corasick, "Efficient string matching", CACM 18(6), 1975: O(1) a character, and the depth in the automaton
 * is the number of characters to hold back.
 */
export class StopMatcher {
  readonly #root: Node = makeNode(0);
  #node: Node = this.#root;
  #held = '';
  #stopped = false;

  /** @throws bad_request for an empty stop string: every text would end before it begins */
  constructor(stops: readonly string[]) {
    stops.forEach((stop, i) => {
      if (typeof stop !== 'string' || stop === '') {
        throw new WebMlaError(
          'bad_request',
          `stop[${i}]: expected a text of at least one character, got ${JSON.stringify(stop)}`,
          'Leave the empty stop string out.',
        );
      }
      this.#add(stop);
    });
    this.#link();
  }

  /** @returns what may be shown now; after the stop, '' for ever */
  push(text: string): StopResult {
    if (this.#stopped) return { text: '', stopped: true };
    const all = this.#held + text;
    for (let i = this.#held.length; i < all.length; i++) {
      this.#node = this.#step(this.#node, all.charCodeAt(i));
      if (this.#node.stopLength > 0) {
        this.#stopped = true;
        this.#held = '';
        return { text: all.slice(0, i + 1 - this.#node.stopLength), stopped: true };
      }
    }
    const safe = all.length - this.#node.depth;
    this.#held = all.slice(safe);
    return { text: all.slice(0, safe), stopped: false };
  }

  /** The text is over: what was held back was no stop string after all. The matcher can take a new text. */
  flush(): string {
    const rest = this.#held;
    this.#held = '';
    this.#node = this.#root;
    this.#stopped = false;
    return rest;
  }

  #add(stop: string): void {
    let node = this.#root;
    for (let i = 0; i < stop.length; i++) {
      const unit = stop.charCodeAt(i);
      const next = node.next.get(unit) ?? makeNode(node.depth + 1);
      node.next.set(unit, next);
      node = next;
    }
    node.stopLength = node.depth;
  }

  /** Breadth first, so that the shorter suffixes are linked before they are needed. */
  #link(): void {
    const queue: Node[] = [this.#root];
    for (const node of queue) {
      for (const [unit, next] of node.next) {
        next.fallback = node.fallback === null ? this.#root : this.#step(node.fallback, unit);
        next.stopLength = Math.max(next.stopLength, next.fallback.stopLength);
        queue.push(next);
      }
    }
  }

  #step(from: Node, unit: number): Node {
    for (let node: Node | null = from; node !== null; node = node.fallback) {
      const next = node.next.get(unit);
      if (next !== undefined) return next;
    }
    return this.#root;
  }
}

function makeNode(depth: number): Node {
  return { next: new Map(), depth, fallback: null, stopLength: 0 };
}

/** Finds which of many strings begins at a place in a text: a tree of UTF-16 code units. */

interface Node<T> {
  readonly next: Map<number, Node<T>>;
  value: T | undefined;
}

export class TokenTrie<T> {
  readonly #root: Node<T> = { next: new Map(), value: undefined };
  #longest = 0;

  /** Length of the longest string, in code units; 0 when empty. */
  get longest(): number {
    return this.#longest;
  }

  /** The last value given for a string stays. Empty strings are not kept: they would match everywhere. */
  add(text: string, value: T): void {
    if (text === '') return;
    let node = this.#root;
    for (let i = 0; i < text.length; i++) {
      const unit = text.charCodeAt(i);
      let next = node.next.get(unit);
      if (next === undefined) {
        next = { next: new Map(), value: undefined };
        node.next.set(unit, next);
      }
      node = next;
    }
    node.value = value;
    this.#longest = Math.max(this.#longest, text.length);
  }

  /** The longest string that begins at `start`, or undefined. */
  longestAt(text: string, start: number): { readonly end: number; readonly value: T } | undefined {
    let node = this.#root;
    let found: { end: number; value: T } | undefined;
    for (let i = start; i < text.length; i++) {
      const next = node.next.get(text.charCodeAt(i));
      if (next === undefined) break;
      node = next;
      if (node.value !== undefined) found = { end: i + 1, value: node.value };
    }
    return found;
  }

  /** Whether the text from `start` to its end is the beginning of a longer string. */
  beginsAt(text: string, start: number): boolean {
    let node = this.#root;
    for (let i = start; i < text.length; i++) {
      const next = node.next.get(text.charCodeAt(i));
      if (next === undefined) return false;
      node = next;
    }
    return node.next.size > 0;
  }
}

/** One token of a SentencePiece vocabulary. */
export interface ScoredToken {
  readonly text: string;
  readonly id: number;
  /** Log probability or minus the rank; higher is better. */
  readonly score: number;
}

/**
 * The merges that a SentencePiece BPE vocabulary implies: every way to cut a token into two others, best score first.
 * SentencePiece has no list of merges, it merges the neighbours whose union scores best. Ties of one token go to the longer
 * left part. Method: generate_merges of transformers (tokenization_utils_base.py).
 * @param tokens tokens that text may be spelled with: no control, unknown or byte tokens
 */
export function mergesFromScores(tokens: readonly ScoredToken[]): [string, string][] {
  const idOf = new Map(tokens.map((token) => [token.text, token.id]));
  const lengthOf = new Map(tokens.map((token) => [token.text, Array.from(token.text).length]));
  const merges: { left: string; right: string; score: number }[] = [];
  for (const { text, score } of tokens) {
    const ways: { left: string; right: string; score: number }[] = [];
    let cut = 0;
    for (const char of text) {
      cut += char.length;
      const left = text.slice(0, cut);
      const right = text.slice(cut);
      if (idOf.has(left) && idOf.has(right)) ways.push({ left, right, score });
    }
    ways.sort(
      (a, b) =>
        (idOf.get(a.left) ?? 0) - (idOf.get(b.left) ?? 0) ||
        (idOf.get(a.right) ?? 0) - (idOf.get(b.right) ?? 0),
    );
    merges.push(...ways);
  }
  const length = (text: string): number => lengthOf.get(text) ?? 0;
  return merges
    .toSorted(
      (a, b) => b.score - a.score || length(b.left) - length(a.left) || length(b.right) - length(a.right),
    )
    .map(({ left, right }) => [left, right]);
}

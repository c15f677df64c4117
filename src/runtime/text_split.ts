import { WebMlaError } from '../core/errors.ts';
import type { Tokenizer } from '../text/tokenizer.ts';
import { textWindows } from './evaluator.ts';

/** A text, cut into rows: most to calibrate on, and the last ones, which calibration never sees, to measure with. */
export interface TextSplit {
  readonly rows: readonly Uint32Array<ArrayBuffer>[];
  readonly heldOut: readonly Uint32Array<ArrayBuffer>[];
  /** Tokens of the longest. */
  readonly rowTokens: number;
}

const LONGEST_ROW = 1024;
const SHORTEST_ROW = 64;
/** Rows of a text that fills few: fewer and longer ones would leave too little on one of the two sides. */
const LEAST_ROWS = 5;
/** One row in so many is held back. */
const HELD_OUT = 9;

/**
 * @param tokens to calibrate on, at most
 * @param longest tokens that the model can run
 * @throws WebMlaError `bad_request` for a text that is too short for a row of either kind
 */
export function splitText(tokenizer: Tokenizer, text: string, tokens: number, longest: number): TextSplit {
  const found = tokenizer.encode(text, { specialTokens: 'plain', addSpecialTokens: false }).length;
  // Several rows, if the model allows: statistics of one long row know one subject.
  const wanted = Math.floor(Math.min(LONGEST_ROW, tokens / 4, found / LEAST_ROWS));
  const rowTokens = Math.min(longest, Math.max(SHORTEST_ROW, wanted));
  const most = Math.max(1, Math.floor(tokens / rowTokens));
  const all = most + Math.ceil(most / (HELD_OUT - 1));
  const { windows } = found < 2 ? { windows: [] } : textWindows(tokenizer, text, rowTokens, undefined, all);
  if (windows.length < 2) {
    throw new WebMlaError(
      'bad_request',
      `text: expected at least two rows of ${rowTokens} tokens (one to calibrate on, one to measure with), got ${found} tokens`,
      'Give a longer text: what is seen of a model in a few words says little.',
    );
  }
  const split = windows.length - Math.max(1, Math.round(windows.length / HELD_OUT));
  return { rows: windows.slice(0, split), heldOut: windows.slice(split), rowTokens };
}

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
/** One row in so many is held back. */
const HELD_OUT = 8;

/**
 * @param tokens to calibrate on, at most
 * @param longest tokens that the model can run
 * @throws WebMlaError `bad_request` for a text that is too short for a row of either kind
 */
export function splitText(tokenizer: Tokenizer, text: string, tokens: number, longest: number): TextSplit {
  // Four rows at least, if the model allows: statistics of one long row know one subject.
  const wanted = Math.min(LONGEST_ROW, Math.max(SHORTEST_ROW, Math.floor(tokens / 4)));
  const rowTokens = Math.min(longest, wanted);
  const most = Math.max(1, Math.floor(tokens / rowTokens));
  const heldOut = Math.ceil(most / HELD_OUT);
  const { windows } =
    text.trim() === '' ? { windows: [] } : textWindows(tokenizer, text, rowTokens, undefined);
  if (windows.length < 2) {
    const found = windows.reduce((sum, { length }) => sum + length, 0);
    throw new WebMlaError(
      'bad_request',
      `text: expected at least two rows of ${rowTokens} tokens (one to calibrate on, one to measure with), got ${found} tokens`,
      'Give a longer text, or calibrate on fewer tokens: rows are then shorter.',
    );
  }
  const used = windows.slice(0, most + heldOut);
  const split = Math.min(most, Math.max(1, used.length - heldOut));
  return { rows: used.slice(0, split), heldOut: used.slice(split), rowTokens };
}

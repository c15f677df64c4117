import { WebMlaError } from '../core/errors.ts';
import type { Checkpoint } from '../formats/checkpoint.ts';
import { longestContext } from '../model/architecture.ts';
import { textWindows } from './evaluator.ts';
import { tokenizerOf } from './tokenizer_of.ts';

/** Tokens of a row. */
const ROW_TOKENS = 1024;
/** Tokens of a text that are used unless said otherwise: more change little (docs/conversion.md). */
export const CALIBRATION_TOKENS = 32 * ROW_TOKENS;
/** Rows beside these that a search holds back (convert_by_intent.ts). */
export const SEARCH_ROWS = 4;
/** Rows that o_proj is refitted on: more change little (research/lab). */
export const REFIT_ROWS = 64;

/**
 * A text as rows of token ids that a model is calibrated on, each a sequence of its own that begins as the model's sequences do.
 * @param tokens in all, at most; there is always one row
 * @param spare rows beside these, as far as the text has them: to be held back
 * @throws WebMlaError `missing_file` without a tokenizer, `bad_request` for a text or a number that is too small
 */
export function calibrationRows(
  checkpoint: Checkpoint,
  text: string,
  tokens = CALIBRATION_TOKENS,
  spare = 0,
): { readonly rows: Uint32Array<ArrayBuffer>[]; readonly calibratedRows: number } {
  const tokenizer = tokenizerOf(checkpoint);
  if (!tokenizer) {
    throw new WebMlaError(
      'missing_file',
      `${checkpoint.name}: expected tokenizer.json, to calibrate on text, got none`,
      'Put the tokenizer beside the weights. On the command line --token-rows does without one.',
    );
  }
  if (!Number.isInteger(tokens) || tokens < 2) {
    throw new WebMlaError('bad_request', `calibration: expected at least 2 tokens, got ${tokens}`);
  }
  const length = Math.min(ROW_TOKENS, longestContext(checkpoint.config), tokens);
  const calibratedRows = Math.max(1, Math.floor(tokens / length));
  const { windows } = textWindows(tokenizer, text, length, undefined, calibratedRows + spare);
  return { rows: [...windows], calibratedRows };
}
